"""Reads one topic from its start to its committed end as any consumer would:
Confluent's client, its Avro deserializer, the schemas from the registry.

    read.py BROKERS REGISTRY TOPIC

Prints a line of JSON per record. Each value says the type that Python got:
it is compared with what the database says, so nothing here knows columns.
"""

import datetime
import decimal
import json
import sys
import warnings

warnings.simplefilter("ignore")

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def plain(value):
    """A value as the name of its Python type and a text."""
    if value is None:
        return None
    if isinstance(value, bool):
        return f"bool:{value}"
    if isinstance(value, int):
        return f"int:{value}"
    if isinstance(value, float):
        return "float:" + repr(value)
    if isinstance(value, decimal.Decimal):
        return "decimal:" + format(value, "f")
    if isinstance(value, str):
        return "str:" + value
    if isinstance(value, bytes):
        return "bytes:" + value.hex()
    if isinstance(value, datetime.datetime):
        text = value.replace(tzinfo=None).isoformat(" ", "microseconds")
        if value.tzinfo is None:
            return "datetime:" + text
        if value.utcoffset() != datetime.timedelta(0):
            raise ValueError("an instant in another zone than UTC")
        return "instant:" + text
    if isinstance(value, datetime.date):
        return "date:" + value.isoformat()
    raise TypeError(f"no such type was expected: {type(value)}")


def row(fields):
    return None if fields is None else {name: plain(value) for name, value in fields.items()}


def main(brokers, registry, topic):
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "foreign",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    })
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    left = set(partitions)
    while left:
        message = consumer.poll(30)
        if message is None:
            raise TimeoutError("the broker says nothing")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise RuntimeError(str(message.error()))
            left.discard(message.partition())
            continue
        envelope = decode(message.value(), SerializationContext(topic, MessageField.VALUE))
        record = {"key": message.key().decode(), "envelope": None}
        if envelope is not None:
            record["envelope"] = {
                "before": row(envelope["before"]),
                "after": row(envelope["after"]),
                "op": envelope["op"],
                "source": {name: plain(value) for name, value in envelope["source"].items()},
            }
        print(json.dumps(record))
    consumer.close()


main(*sys.argv[1:])
