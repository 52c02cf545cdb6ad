"""What the Kafka adapter counts."""

from prometheus_client import Counter, Gauge, Histogram

PRODUCED = Counter("connector_log_produced", "Messages acknowledged by Kafka", ["topic"])
PRODUCE_FAILED = Counter("connector_log_produce_failed", "Batches not acknowledged", [])
CONSUMED = Counter("connector_log_consumed", "Records whose effect is done and committed", ["topic", "group"])
BATCH_FAILED = Counter("connector_log_batch_failed", "Batches that failed and come again", ["group"])
BATCH_SECONDS = Histogram("connector_log_batch_seconds", "Time from receiving a batch to its commit", ["group"])
LAG = Gauge("connector_log_lag", "Records behind the end of a partition", ["group", "topic", "partition"])
OUT_OF_RANGE = Counter(
    "connector_log_offset_out_of_range", "Committed offsets the log no longer holds: records were missed", ["group"]
)
