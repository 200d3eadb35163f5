"""Asks a running graph a question, corrects the answer once, and asks again in another session.

usage: python3 ask.py QUESTION [--correct ANSWER [--again QUESTION]]

Start the graph with a language model that writes answers, and without publishers of its own:

  accrete up --outside --directory runs/smollm2 --set model.trunk=models/smollm2-135m-instruct.gguf --set 'answer.after=[utterance]'

A correction is recalled as soon as memory.update/ names it, and learned by the model's adapters meanwhile.
"""
import argparse
import json
import sys
import time

import zmq

import clients  # noqa: F401
from accrete.publisher import Publisher
from accrete.v1 import model_pb2, moment_pb2, sensor_pb2

parser = argparse.ArgumentParser(description="Asks a running graph a question.")
parser.add_argument("question")
parser.add_argument("--correct", metavar="ANSWER", help="the right answer, which is sent as feedback")
parser.add_argument("--again", metavar="QUESTION", help="what is asked after the correction (default: the same question)")
parser.add_argument("--patience", type=float, default=60.0, help="seconds without an answer after which it gives up (default 60)")
parser.add_argument("--sensors", default="tcp://127.0.0.1:7400", help="endpoint of ingest")
parser.add_argument("--fuse", default="tcp://127.0.0.1:7401", help="endpoint at which fuse publishes answers")
parser.add_argument("--learn", default="tcp://127.0.0.1:7402", help="endpoint at which learn publishes what it remembers")
parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
arguments = parser.parse_args()

publisher = Publisher(arguments.sensors)


def subscribe(topic, endpoint):
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.subscribe(topic)
    socket.connect(endpoint)
    return socket


answers, memory = subscribe(b"answer.", arguments.fuse), subscribe(b"memory.update/", arguments.learn)
try:
    publisher.wait()
except TimeoutError as error:
    sys.exit(f"ask.py: {error}")
time.sleep(0.5)  # until fuse and learn have received the subscriptions


def received(socket, what):
    """The header of the next message, or the end of the program."""
    if not socket.poll(int(arguments.patience * 1000)):
        sys.exit(f"ask.py: {what} within {arguments.patience:g} seconds; is the graph running, with answer.after=[utterance]?")
    return socket.recv_multipart()[1]


def ask(session, question):
    """The answer, and the id of the moment that asked for it."""
    now = time.time_ns()
    reading = sensor_pb2.SensorReading(session=session, modality="text", format="text/utf-8", ends=sensor_pb2.CUT_KIND_UTTERANCE_END)
    publisher.send("sensor.text.keyboard/", reading, "keyboard", now, question.encode())
    text, moment = b"", f"{session}/{now}"  # a moment is called after the time at which it ends
    while True:
        answer = moment_pb2.Answer.FromString(received(answers, "no answer"))
        if answer.moment != moment:
            continue
        text += answer.text
        if answer.end:
            if answer.end == "context" and not text:
                sys.exit("ask.py: the question fills the model's context; ask a shorter one, or raise model.text.length")
            return text.decode(errors="replace").strip(), moment


name = f"ask-{time.time_ns()}"
first, moment = ask(f"{name}-1", arguments.question)
result = {"question": arguments.question, "answer": first}
if not arguments.json:
    print(f"you      {arguments.question}\nAccrete  {first}")
if arguments.correct is not None:
    correction = sensor_pb2.Feedback(session=f"{name}-1", moment=moment, text=arguments.correct, known_at=time.time_ns())
    publisher.send(f"feedback.{name}-1/", correction, "keyboard")
    known = False
    while not known:  # learn publishes all corrections whenever there is a new one
        update = model_pb2.MemoryUpdate.FromString(received(memory, "the correction is not remembered"))
        known = any(one.answer == arguments.correct and one.source == f"{name}-1" for one in update.corrections)
    time.sleep(0.5)  # until fuse has received it too
    again = arguments.again or arguments.question
    second, _ = ask(f"{name}-2", again)
    result.update(correction=arguments.correct, again=again, answerAgain=second)
    if not arguments.json:
        print(f"you      It is: {arguments.correct}\n-- another session --\nyou      {again}\nAccrete  {second}")
if arguments.json:
    print(json.dumps(result))
publisher.close()
