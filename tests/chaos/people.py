"""People who make mistakes with one source of a deployed hub, in an order drawn at random."""

from collections.abc import Callable

from tests.chaos.mistakes import (
    Place,
    WithQueues,
    WithRequests,
    WithTheArchive,
    WithTheDeployment,
    WithTheLedger,
)


class People:
    """What people do to one source of a hub.

    Attributes:
        done: What they have done, by name, in its order.
    """

    def __init__(self, place: Place, doomed: str, on_new_topic: Callable[[], object]) -> None:
        self.place = place
        self.done: list[str] = []
        queues, ledger, archive = WithQueues(place), WithTheLedger(place), WithTheArchive(place)
        requests, around = WithRequests(place), WithTheDeployment(place, doomed, on_new_topic)
        self._left = [
            *(queues.purge_the_slots_queue, queues.purge_the_direct_lanes_queue) * 2,
            place.rng.choice([queues.delete_the_slots_queue, queues.delete_the_direct_lanes_queue]),
            *(ledger.cut_off_a_record, ledger.say_that_an_empty_export_was_completed) * 3,
            *(ledger.say_that_what_is_not_there_was_announced, ledger.delete_a_record) * 2,
            *(archive.remove_an_object,) * 3,
            archive.delete_a_version,
            requests.ask_for_a_plan_of_another_profile,
            requests.ask_by_variables_with_a_wrong_prefix,
            requests.write_another_profile_into_the_schedule,
            requests.send_a_request_of_another_profile,
            requests.send_a_request_for_next_month,
            around.forbid_the_role,
            around.unsubscribe_the_enforcer,
            around.make_the_topic_again,
            around.delete_the_rule,
            around.disable_the_mapping,
            around.delete_a_log_group,
        ]
        place.rng.shuffle(self._left)

    def make_a_mistake(self) -> None:
        """Do the next thing, if there is anything to do it to."""
        if self._left:
            mistake = self._left.pop()
            if mistake():
                self.done.append(mistake.__name__)
            else:
                self._left.insert(self.place.rng.randint(0, len(self._left)), mistake)

    def take_back(self) -> None:
        """Allow again what was forbidden."""
        while self.place.taken_back:
            self.place.taken_back.pop()()
