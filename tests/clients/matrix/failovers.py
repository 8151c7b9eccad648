"""Kills nodes of a cluster under a client: leader, coordinator and active controller, in turn."""

import threading

ROLES = ("leader", "coordinator", "controller")
DOWN_S = 1.0  # for so long a killed node stays away
BETWEEN_S = 2.0  # and for so long the cluster is whole before the next one goes


class Failovers(threading.Thread):
    """
    After `delay_s` the node with the role `first` dies by SIGKILL, and is started again when others
    have taken over; when the cluster is whole again, the node with the next role, and then the third.
    Not more: a member whose goodbye to its coordinator was lost is in its group until its session
    ends, and the session begins anew with each coordinator, of Kafka too.
    """

    def __init__(self, cluster, topic, group, first, delay_s):
        super().__init__(daemon=True)
        self.cluster, self.topic, self.group = cluster, topic, group
        self.turn, self.delay_s = first, delay_s
        self.done = threading.Event()
        self.killed = []  # (role, node)
        self.error = None

    def holder(self, role):
        if role == "leader":
            return self.cluster.leader_of(self.topic, 0)
        if role == "coordinator":
            return self.cluster.coordinator_of(self.group)
        return self.cluster.active_controller()

    def run(self):
        try:
            for _ in ROLES:
                if self.done.wait(self.delay_s):
                    return
                self.fail_over(ROLES[self.turn % len(ROLES)])
                self.turn += 1
                self.delay_s = BETWEEN_S
        except Exception as error:  # told by finish()
            self.error = error

    def fail_over(self, role):
        victim = self.holder(role)
        if self.done.is_set():
            return
        self.cluster.kill(victim)
        self.killed.append((role, victim))
        assert self.holder(role) != victim
        self.done.wait(DOWN_S)
        self.cluster.start_node(victim)
        self.cluster.heal()

    def finish(self):
        """The client has ended: the cluster becomes whole, and nobody dies any more."""
        self.done.set()
        self.join()
        if self.error is not None:
            raise self.error
        self.cluster.heal()
