"""Serves localstripe on a free port of 127.0.0.1, which is printed, and keeps nothing on disk."""

import asyncio
import logging
import socket

from aiohttp import web

from localstripe import resources
from localstripe.server import app

# It would write all it knows to one file in /tmp, whoever else does so too.
resources.Store.dump_to_disk = lambda store: None
logging.getLogger('aiohttp.access').disabled = True


async def serve():
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(('127.0.0.1', 0))
    await web.SockSite(runner, listener).start()
    print('listening on 127.0.0.1:%d' % listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(serve())
