"""What the shop did before the tests began: the hours of a day that is young, and the same of the day before."""

from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from processes import sql, storepulse, until

# Of each day: enough orders for a percentage, few enough for a first micro-batch of seconds.
RATE = 2


class History:
    """Two days of a zone whose today began between two and three hours before the tests did, whatever time it is."""

    def __init__(self):
        self.began = datetime.now(timezone.utc)
        self.midnight = self.began.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
        # The sign of these names is turned round: Etc/GMT-2 is two hours ahead of UTC.
        ahead = (24 - self.midnight.hour) % 24
        ahead -= 24 if ahead > 12 else 0
        # As it stands in an address, where a plus would be a space.
        self.zone = quote(f"Etc/GMT{-ahead:+d}" if ahead else "UTC")

    @property
    def days_ago(self):
        """Half an hour of events begins here, on the hour, in a day that was over when the tests began."""
        return self.midnight - timedelta(days=3)

    def seed(self):
        """Stores them, in the order in which they happened: what is older than a watermark would be too late."""
        # Written after the console began to look, like what a line writes that catches up after days without
        # Spark.
        self.simulate(self.days_ago, timedelta(minutes=30), seed=10)
        yesterday = self.midnight - timedelta(days=1, minutes=5)
        # An hour further than the clock has come today: only a comparison that stops there gives the right
        # percentage.
        self.simulate(yesterday, self.began - timedelta(hours=23) - yesterday, seed=11)
        self.simulate(self.midnight, self.began - timedelta(minutes=2) - self.midnight, seed=12)

    @staticmethod
    def simulate(start, length, seed):
        minutes = f"{length // timedelta(minutes=1)}m"
        storepulse("simulate", "--rate", str(RATE), "--start", rfc3339(start), "--duration", minutes, "--seed", str(seed))


def relayed():
    """Waits until all that is stored has come to Kafka."""
    stored = "select pg_current_wal_insert_lsn()"
    reached = sql(stored)
    confirmed = f"select bool_or(confirmed_flush_lsn >= '{reached}') from pg_replication_slots where database = current_database()"
    until("the relay has sent what is stored", lambda: sql(confirmed) == "t", within_s=120)


def rfc3339(at):
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


class Truth:
    """Figures of a stretch, counted from the raw events: each event once, each visitor once."""

    def __init__(self, start, end):
        counted = sql(
            "select count(*), count(*) filter (where event_name = 'purchase' and order_line = 1),"
            " count(*) filter (where event_name = 'session_start'), count(distinct user_id),"
            " coalesce(sum(case event_name when 'purchase' then amount_base when 'refund' then -amount_base end), 0.00)"
            f" from raw.events where occurred_at >= '{start}' and occurred_at < '{end}'"
        ).split("|")
        self.events, self.orders, self.visits, self.users = (int(count) for count in counted[:4])
        self.net = counted[4]

    def of(self, measure):
        return str(getattr(self, measure))
