"""Reads what `accrete record` and `accrete convert` write with the libraries of MCAP, Protocol Buffers and TensorBoard, and checks it.

usage: recordings.py whole FILE | torn FILE | tensorboard DIR
"""
import sys

kind, path = sys.argv[1:]


def messages(records):
    """Decodes every message by the schema that the file itself has for it."""
    from mcap_protobuf.decoder import DecoderFactory
    factory, schemas, channels, found = DecoderFactory(), {}, {}, {}
    for record in records:
        name = type(record).__name__
        if name == "Schema":
            schemas[record.id] = record
        elif name == "Channel":
            channels[record.id] = record
        elif name == "Message":
            channel = channels[record.channel_id]
            decode = factory.decoder_for(channel.message_encoding, schemas[channel.schema_id])
            found.setdefault(schemas[channel.schema_id].name, []).append((channel.topic, decode(record.data)))
    return found


def check(found):
    readings = [message for _, message in found["accrete.recording.RecordedReading"]]
    assert {r.reading.modality for r in readings} >= {"image", "text"}, found.keys()
    pictures = found.get("foxglove.CompressedImage", []) + found.get("foxglove.RawImage", [])
    assert all(topic.endswith("/image") for topic, _ in pictures)
    # Pictures for other programs have the same bytes as the readings.
    own = {r.payload for r in readings if r.reading.modality == "image"}
    assert own == {p.data for _, p in pictures} and own
    return found


if kind == "whole":
    from mcap.reader import make_reader
    from mcap.stream_reader import StreamReader
    with open(path, "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        count = sum(1 for _ in reader.iter_messages())
        assert summary.statistics.message_count == count > 0, (summary.statistics, count)
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count > 0
        assert all(index.message_index_offsets for index in summary.chunk_indexes)
        times = [message.log_time for _, _, message in reader.iter_messages()]
        assert times == sorted(times), "messages by their index are not in order"
        assert summary.statistics.message_start_time == times[0] and summary.statistics.message_end_time == times[-1]
    with open(path, "rb") as file:
        found = check(messages(StreamReader(file, validate_crcs=True).records))
    print(" ".join(f"{name}={len(list)}" for name, list in sorted(found.items())))
elif kind == "torn":
    from mcap.exceptions import EndOfFile
    from mcap.stream_reader import StreamReader

    def records(file):
        try:
            yield from StreamReader(file, validate_crcs=True).records
        except EndOfFile:
            return
        raise AssertionError("the file is whole")

    with open(path, "rb") as file:
        found = check(messages(records(file)))
    print(" ".join(f"{name}={len(list)}" for name, list in sorted(found.items())))
elif kind == "tensorboard":
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(path)
    events.Reload()
    tags = events.Tags()
    # Scalars of this form become tensors where TensorBoard reads them.
    names = set(tags["tensors"]) | set(tags["scalars"])
    assert names >= {"loss/model", "loss/frozen", "accuracy/model", "version", "learningRate"}, names
    steps = [event.step for event in (events.Tensors("version") if "version" in tags["tensors"] else events.Scalars("version"))]
    assert steps == sorted(steps) and steps, steps
    print(f"version={len(steps)}")
else:
    sys.exit(__doc__)
