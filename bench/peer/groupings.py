"""The six groupings of the cube, as they are usually written in PySpark: a `groupBy` for each."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

# Table, dimensions, whether it is about products.
GROUPINGS = [
    ("activity_by_minute", [], False),
    ("activity_by_country", ["country"], False),
    ("demographics_by_minute", ["gender", "age_band"], False),
    ("sales_by_product", ["item_id", "item_name"], True),
    ("sales_by_category", ["category"], True),
    ("engagement_by_channel", ["channel", "device"], False),
]
WATERMARK = "10 minutes"


def of(name: str, column: str) -> f.Column:
    return f.coalesce(f.sum(f.when(f.col("event_name") == name, f.col(column))), f.lit(0))


def count(name: str) -> f.Column:
    return f.count(f.when(f.col("event_name") == name, True))


def measures(of_items: bool) -> list:
    gross, refunds = of("purchase", "amount_base"), of("refund", "amount_base")
    both = [
        f.count("*").alias("events"),
        count("view_item").alias("item_views"),
        count("add_to_cart").alias("cart_adds"),
        of("purchase", "quantity").alias("units"),
        gross.alias("gross"),
        refunds.alias("refunds"),
        (gross - refunds).alias("net"),
        f.max("occurred_at").alias("last_occurred_at"),
    ]
    if of_items:
        return [*both, count("purchase").alias("order_lines")]
    return [
        *both,
        count("session_start").alias("session_starts"),
        f.approx_count_distinct("session_id", 0.02).alias("sessions"),
        f.approx_count_distinct("user_id", 0.02).alias("users"),
        count("begin_checkout").alias("checkouts"),
        f.count(f.when((f.col("event_name") == "purchase") & (f.col("order_line") == 1), True))
        .alias("orders"),
    ]


def rows(events: DataFrame, table: str, dimensions: list[str], of_items: bool) -> DataFrame:
    wanted = events.where("item_id is not null") if of_items else events
    window = f.window("occurred_at", "1 minute")
    grouped = wanted.withWatermark("occurred_at", WATERMARK).groupBy(window, *dimensions)
    start = f.col("window.start")
    hour = [f.hour(start).alias("hour")] if table == "sales_by_product" else []
    keys = [start.cast("date").alias("day"), *hour, start.alias("minute")]
    return grouped.agg(*measures(of_items)).select(*keys, "*").drop("window")


def session(settings: dict[str, str]) -> SparkSession:
    """Spark in one process with two cores, as many as the stack's executor has, and otherwise as it comes."""
    builder = SparkSession.builder.master("local[2]").appName("bench-peer")
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        **settings,
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
