from examples.subscriber.tests.conftest import hub

__all__ = ["hub"]
