"""Ann has logged in on the site; strangers have not."""

import pytest
import pytest_twisted

ID = "cbd2c8b5f0a94d1e8f7a6b5c4d3e2f1a"


@pytest_twisted.ensureDeferred
async def test_who_is_known_to_the_site(serve, connect, tmp_path, monkeypatch):
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    (sessions / f"sess_{ID}").write_text('name|s:3:"Ann";')
    monkeypatch.setenv("SAVE_PATH", str(sessions))
    site = serve("sessions.py")
    one = await connect(site.port, "/chat", headers={"Cookie": f"PHPSESSID={ID}"})
    assert await one.next() == "Welcome, Ann!"
    two = await connect(site.port, "/chat", headers={"Cookie": f"a=b; PHPSESSID={ID}"})
    assert await two.next() == "Welcome, Ann!"
    two.say("hello")
    assert await one.next() == "Ann: hello"
    for headers in ({}, {"Cookie": "PHPSESSID=" + "x" * 32}, {"Cookie": "PHPSESSID=../x"}):
        with pytest.raises(ConnectionError, match="403"):
            await connect(site.port, "/chat", headers=headers)
