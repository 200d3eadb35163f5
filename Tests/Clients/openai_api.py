"""Asks a gateway through OpenAI's own client, in each form that it offers, and checks what comes back.

usage: python3 openai_api.py URL CODE CERTIFICATE
"""
import base64
import ssl
import struct
import sys
import zlib

import openai

url, code, certificate = sys.argv[1:]
client = openai.OpenAI(base_url=url + "/v1", api_key=code, http_client=openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=certificate)), max_retries=0, timeout=60)
MODEL = client.models.list().data[0].id
assert client.models.retrieve(MODEL).owned_by == "accrete"
ask = [{"role": "user", "content": "what is this"}]


def png():
    """A picture of 8 × 8 red pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"\xff\0\0" * 8 for _ in range(8))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def refused(error, **arguments):
    try:
        client.chat.completions.create(**{"model": MODEL, "messages": ask, **arguments})
    except error as found:
        return found
    raise AssertionError(f"{arguments} was not refused")


# Whole answers.
whole = client.chat.completions.create(model=MODEL, messages=ask, temperature=0, max_tokens=6)
assert whole.choices[0].finish_reason in ("length", "stop"), whole
assert whole.usage.completion_tokens <= 6 and whole.usage.prompt_tokens > 0, whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
assert whole.system_fingerprint.startswith("accrete-") and int(whole.system_fingerprint.split("-")[1]) >= 0
longer = client.chat.completions.create(model=MODEL, messages=ask, temperature=0, max_tokens=12)
assert longer.usage.completion_tokens > whole.usage.completion_tokens or longer.choices[0].finish_reason == "stop"

# A stream brings as many tokens, and its usage at the end.
chunks = list(client.chat.completions.create(model=MODEL, messages=ask, temperature=0, max_tokens=6, stream=True, stream_options={"include_usage": True}))
assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].usage.completion_tokens <= 6
assert chunks[-2].choices[0].finish_reason in ("length", "stop")

# Seeds repeat a text as long as the model is the same.
drawn = lambda seed: client.chat.completions.create(model=MODEL, messages=ask, temperature=1.5, top_p=0.9, seed=seed, max_tokens=12)
for _ in range(20):
    first, second, other = drawn(7), drawn(7), drawn(8)
    if first.system_fingerprint == second.system_fingerprint == other.system_fingerprint:
        assert first.choices[0].message.content == second.choices[0].message.content
        break
else:
    raise AssertionError("the model changed between any two answers")

# A stop ends an answer before itself. A model that has not learned to write yet may write anything, also what is no character.
for _ in range(20):
    text = first.choices[0].message.content
    stop = next((one for one in reversed(text) if one.isascii()), None)
    if stop:
        stopped = client.chat.completions.create(model=MODEL, messages=ask, temperature=1.5, top_p=0.9, seed=7, max_tokens=12, stop=stop)
        if stopped.system_fingerprint == first.system_fingerprint:
            assert stopped.choices[0].message.content == text[:text.index(stop)] and stopped.choices[0].finish_reason == "stop", (text, stopped)
            break
    first = drawn(7)

# Pictures.
picture = "data:image/png;base64," + base64.b64encode(png()).decode()
seen = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": [
    {"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": picture}}]}], max_tokens=4)
assert seen.usage.completion_tokens <= 4

# Texts alone.
assert client.completions.create(model=MODEL, prompt="Once", max_tokens=4).object == "text_completion"
assert len(list(client.completions.create(model=MODEL, prompt="Once", max_tokens=4, stream=True))) >= 1

# Refusals are the client's own errors.
assert refused(openai.BadRequestError, temperature=9).param == "temperature"
assert refused(openai.BadRequestError, n=2).code == "unsupported_parameter"
assert refused(openai.NotFoundError, model="gpt-4").code == "model_not_found"
assert refused(openai.BadRequestError, messages=[{"role": "user", "content": "long " * 2000}]).code == "context_length_exceeded"
client.api_key = "not-the-code"
assert refused(openai.AuthenticationError).code == "invalid_api_key"
print("openai_api.py: all done")
