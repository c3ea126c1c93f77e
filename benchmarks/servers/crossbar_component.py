"""What answers calls inside of Crossbar's router: its own interpreter runs this."""

from autobahn.twisted.wamp import ApplicationSession


class Callee(ApplicationSession):
    async def onJoin(self, details):
        await self.register(lambda *arguments: list(arguments), "http://example.com/echo")
