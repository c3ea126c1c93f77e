"""A server for the admin page: ``python serve_admin.py [ADMIN_PORT]`` prints its two ports.

The token is ``the-token``. A call of ``block`` takes 120 ms; from a call
of ``broker`` on there is one, which has lost something. It ends at SIGTERM.
"""

from __future__ import annotations

import sys
import time

from twisted.internet.defer import DeferredList

from ratchet_py import App
from ratchet_py.admin import Admin
from ratchet_py.broker.redis_engine import RedisTally
from ratchet_py.wamp import Component


class Market(Component):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)

    def onCall(self, conn, id, topic, params):
        if str(topic) == "block":
            time.sleep(0.12)
        if str(topic) == "broker":
            self.metrics.broker = tally = RedisTally()
            tally.isUp, tally.outages, tally.lost = True, 1, 1234
        return params


def main(adminPort):
    from twisted.internet import reactor

    app = App(None, 0, reactor=reactor)
    app.route("/market", Market(), allowedOrigins=["*"])
    admin = Admin(app, token="the-token")
    Market.metrics = admin.metrics

    def started(results):
        ports = [ports[0].getHost().port for _, ports in results]
        print(*ports, sep="\n", flush=True)

    listening = [app.listen(), admin.listen(f"tcp:{adminPort}:interface=127.0.0.1")]
    DeferredList(listening).addCallback(started)
    reactor.run()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["0"]))
