"""The things of a stack, page by page, in an account in process."""

from typing import Any

from thingbridge.aws_iot import thing_listing


def test_all_things_of_the_stack_and_no_others_are_listed(iot: Any) -> None:
    for number in range(thing_listing.THINGS_PER_PAGE + 3):
        attributes = {"stackName": "farm", "devEUI": f"{number:016X}"}
        iot.create_thing(thingName=f"t-{number}", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    other = {"attributes": {"stackName": "orchard"}}
    iot.create_thing(thingName="other", thingTypeName="lorawan", attributePayload=other)
    listed, token, pages = {}, None, 0
    while pages == 0 or token:
        things, token = thing_listing.page("farm", token)
        assert len(things) <= thing_listing.THINGS_PER_PAGE
        listed |= {thing.name: thing.attributes["devEUI"] for thing in things}
        pages += 1
    assert listed == {f"t-{number}": f"{number:016X}" for number in range(thing_listing.THINGS_PER_PAGE + 3)}
    assert pages == 2
