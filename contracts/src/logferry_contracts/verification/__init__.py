"""Whether an archive is what was sealed: rules that need no AWS, clock or network of their own.

What is checked, in this order:

* ``chain``: every seal is there, once, signed by a key that is trusted at its place, and names the
  seal before it by the bytes that are stored;
* ``joining``: the time that seals of the kind ``day`` cover has neither gaps nor overlaps;
* ``leaves``: the list of a seal's leaves is the one that it names, has its root, and has each log
  group's windows without gaps;
* ``statements``: each leaf's statement is there, has the leaf's hash and is of the leaf's place;
* ``objects``: what the last statement of each window says is in the archive is there, and nothing
  else;
* ``witnesses``: the end of the chain is not before what a witness has seen of it.

Bytes are hashed as they are stored. Nothing is written anew to be compared, but for saying why a
hash differs once it does. `chain.read_chain` reads a chain and `verifier.Verifier` checks its seals
one by one; both tell all that they find, as `findings`, and go on as far as that makes sense.
`proving` makes a proof of one log group and date out of what is there, which `proofs` checks alone.
"""
