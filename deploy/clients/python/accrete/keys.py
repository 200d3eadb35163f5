"""The keys with which a client connects to a graph whose TCP connections are encrypted (`accrete keys new`).  `deploy/security.md`

    socket = context.socket(zmq.SUB)
    use_keys(socket, "laptop.key")     # before it connects
    socket.connect("tcp://graph.example:7402")
"""
import json
import os
import stat


def use_keys(socket, path):
    """Encrypts what the socket connects to from now on, over TCP; `path`: the file of the client's key; None changes nothing."""
    if path is None:
        return
    status = os.stat(path)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError(f"{path}: others have access to it, or it is not yours; chmod 600 {path}")
    with open(path, encoding="utf-8") as file:
        key = json.load(file)
    socket.curve_serverkey = key["graph"].encode()
    socket.curve_publickey = key["public"].encode()
    socket.curve_secretkey = key["secret"].encode()
