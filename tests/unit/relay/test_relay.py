"""A message is carried, delivered or expired, and its sender told; whoever else lends a hand, and whatever fails."""

from tests.support.relays import World


async def test_a_message_is_delivered_and_acknowledged(world: World) -> None:
    message = world.send()
    await world.turn(3)
    print(await world.steps(message))
    assert await world.state(message) == ("acknowledged", "")
