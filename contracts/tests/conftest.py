import pytest
from contracts.tests.sealed_archive import Archive


@pytest.fixture
def archive() -> Archive:
    """An archive of five ordinary dates, all sealed."""
    sealed = Archive()
    sealed.days(5)
    return sealed


@pytest.fixture
def key(archive: Archive) -> str:
    """The key of any of its objects."""
    return archive.object_keys()[3]
