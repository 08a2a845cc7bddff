"""Where log events are got back from: a folder, what is deployed, or a bucket by its name."""

from pathlib import Path

from logferry.errors import ConfigError
from logferry.folder_store import FolderStore
from logferry.place import Place
from logferry_contracts.chain import ChainName

_S3 = "s3://"


def places_of(archive: str, profile: str | None, source: str | None) -> list[Place]:
    """Return where to look.

    Args:
        archive: A folder, a configuration, or ``s3://`` and the name of a bucket.
        profile: The only source; None: all.
        source: ``<account>/<Region>`` of the only one of a bucket; None: all that it has seals of.

    Raises:
        ConfigError: There is no such archive, or no such source.
    """
    path = Path(archive)
    if path.is_dir():
        folder = FolderStore(path)
        return [Place(folder, _chosen(folder.chains(), source), None)]
    # Who searches a folder needs no AWS, and does not wait for its SDK either.
    from logferry import deployed_places  # noqa: PLC0415

    if archive.startswith(_S3):
        bucket, glacier = deployed_places.bucket_named(archive.removeprefix(_S3).rstrip("/"))
        chains = [chain_given(source)] if source else bucket.chains()
        return [Place(bucket, chains, None, glacier)]
    places = deployed_places.of(path, profile)
    return [each._replace(chains=_chosen(each.chains, source)) for each in places]


def chain_given(text: str) -> ChainName:
    """Return the chain of ``--source``.

    Raises:
        ConfigError: It is none.
    """
    account_id, _, region = text.partition("/")
    try:
        return ChainName(account_id=account_id, region=region)
    except ValueError as error:
        told = f"{text}: account and Region, such as 111122223333/eu-central-1"
        raise ConfigError("--source", [told]) from error


def _chosen(chains: list[ChainName], source: str | None) -> list[ChainName]:
    return chains if source is None else [chain_given(source)]
