"""The policy file that Flash asked for before it opened a socket, for who still has such clients.

Start it with ``python flash_policy.py``; it serves an echo on port 8080, and the policy on 8843.
"""

from ratchet_py.server import EchoServer, FlashPolicy, IoServer

if __name__ == "__main__":
    policy = FlashPolicy().addAllowedAccess("example.com", 8080).setSiteControl("none")
    IoServer.factory(policy, 8843, "127.0.0.1")

    server = IoServer.factory(EchoServer(), 8080, "127.0.0.1")
    server.run()
