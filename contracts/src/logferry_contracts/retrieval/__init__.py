"""Get log events back out of the archive, as evidence: rules that need no AWS, clock or network.

Which objects hold a time is what statements say, and nobody has to list the archive: `sealed` reads
those that seals name, `stated` those below a reader's prefix. `search` reads these objects by their
versions, hashes them while it does, and yields what matches in the order of time. What could not be
read, or is not what was archived, is told, and none of it is ever yielded.
"""
