"""Tells which interpreter runs it, and which scripts were loaded into that interpreter."""
import ctypes
import json
import os
import sys

import mod_wsgi

python = ctypes.pythonapi
python.PyInterpreterState_Get.restype = ctypes.c_void_p
python.PyInterpreterState_GetID.argtypes = [ctypes.c_void_p]
python.PyInterpreterState_GetID.restype = ctypes.c_int64

loaded = sys.__dict__.setdefault("loaded_scripts", [])
loaded.append(os.path.basename(__file__))
calls = 0


def application(environ, start_response):
    global calls
    calls += 1
    answer = {
        "group": environ["mod_wsgi.application_group"],
        "module_group": mod_wsgi.application_group,
        "interpreter": python.PyInterpreterState_GetID(python.PyInterpreterState_Get()),
        "loaded": loaded,
        "calls": calls,
        "pid": os.getpid(),
        "name": __name__,
        "file": __file__,
        "known_as": [name for name, module in sys.modules.items() if getattr(module, "__dict__", None) is globals()],
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
