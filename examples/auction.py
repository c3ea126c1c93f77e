"""An auction, ported from PHP: the porting guide has the original beside it.

Start it with ``python auction.py``; then, as the site would do when there is something to sell::

    curl --header "Authorization: Bearer gavel-token" --json '{"topic": "lots", "event":
        {"title": "A clock", "price": 500, "seconds": 60}}' http://localhost:8080/publish
"""

import secrets
import time
from types import SimpleNamespace

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ratchet_py import App, CallError, NotAuthorized
from ratchet_py.push import PushCredentials, PushResource
from ratchet_py.wamp import WampServerInterface


class Auction(WampServerInterface):
    """Lots are shown to everybody; whoever bids most until the time is up gets the lot."""

    STEP = 100

    log = Logger()

    def __init__(self, now=time.time):
        self.lots = {}
        self.topics = {}
        self.bidders = set()
        self.now = now

    def onOpen(self, conn):
        query = conn.httpRequest.query

        conn.Bidder = SimpleNamespace()
        conn.Bidder.name = query.get("name", "").strip()
        if not conn.Bidder.name:
            conn.Bidder.name = f"Bidder {conn.resourceId}"
        self.bidders.add(conn)

        self.log.info(
            "{name!r} has come, {count} are here", name=conn.Bidder.name, count=len(self.bidders)
        )

    def onSubscribe(self, conn, topic):
        if topic.getId() != "lots" and topic.getId() not in self.lots:
            raise NotAuthorized("There is no such lot")
        self.topics[topic.getId()] = topic

        if topic.getId() in self.lots:
            conn.event(topic, self.lots[topic.getId()])

    def onUnSubscribe(self, conn, topic): ...

    def onCall(self, conn, id, topic, params):
        match topic.getId():
            case "lots":
                return list(self.lots.values())

            case "bid":
                lotId, amount = params

                if lotId not in self.lots:
                    raise CallError("auction/no-such-lot", f"There is no lot {lotId}")
                lot = self.lots[lotId]
                least = lot["price"] + self.STEP
                if not isinstance(amount, int) or amount < least:
                    raise CallError("auction/too-low", f"Bid {least} or more")
                lot["price"] = amount
                lot["bidder"] = conn.Bidder.name
                self.tell(lotId, lot, [conn.WAMP.sessionId])

                return lot

            case _:
                raise CallError("auction/unknown", "No such procedure")

    def onPublish(self, conn, topic, event, exclude, eligible):
        # Nobody talks here but the auctioneer.
        conn.close()

    def onClose(self, conn):
        self.bidders.discard(conn)

        self.log.info("{name!r} has left", name=conn.Bidder.name)

    def onError(self, conn, exc):
        self.log.error("An error has occurred: {exc!r}", exc=exc)
        conn.close()

    def onPush(self, topic, lot):
        """The site has a new lot; what this returns goes to all who have subscribed to "lots"."""
        if topic.getId() != "lots":
            raise NotAuthorized("Lots go to lots")
        lot["id"] = f"lot-{secrets.token_hex(8)}"
        lot["bidder"] = None
        lot["ends"] = int(self.now()) + lot.pop("seconds")

        self.lots[lot["id"]] = lot
        return lot

    def tick(self):
        """Once a second: who has won?"""
        for lotId, lot in list(self.lots.items()):
            if lot["ends"] <= self.now():
                del self.lots[lotId]
                self.tell(lotId, {"sold": lot["bidder"], "price": lot["price"]})
                self.topics.pop(lotId, None)

    def tell(self, topicId, event, exclude=()):
        if topicId in self.topics:
            self.topics[topicId].broadcast(event, exclude)


if __name__ == "__main__":
    auction = Auction()

    ticking = LoopingCall(auction.tick).start(1)
    ticking.addErrback(lambda failure: auction.log.failure("the timer has stopped", failure))

    app = App("localhost", 8080)
    app.route("/auction", auction)
    app.route("/publish", PushResource(app, PushCredentials("gavel-token")))
    app.run()
