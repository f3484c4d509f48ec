"""What a page receives is what was dreamed."""

from genieredux.dreams.session import DreamSession
from genieredux.models.world.fake import FakeWorld


def test_pictures_survive_the_wire(prompts, unpack):
    session = DreamSession(FakeWorld(noise=0.2), prompts)
    for picture in (session.start(0), session.step(0), session.step(4)):
        shown = unpack(picture.pack())
        assert (shown.frame == picture.frame).all()
        assert (shown.entropy == picture.entropy).all()
        assert shown.head["number"] == picture.number
        assert shown.head["action"] == picture.action
