"""The world that ships with the package: it opens, it is small, it obeys."""

import torch

from genieredux.models.world.file import load_world, shipped_world


def test_it_opens_and_its_actions_matter() -> None:
    path = shipped_world()
    assert path.stat().st_size <= 25_000_000
    world, prompts = load_world(path)
    assert world.action_names == ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
    assert len(prompts) >= 8
    differ = []
    for frames, actions in prompts[:4]:
        prompt = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
        ends = []
        for action in (0, 1):
            dream = world.dream(prompt[None], torch.from_numpy(actions)[None])
            ends.append([dream.step(torch.tensor([action])) for _ in range(6)][-1].frames[0])
        differ.append(float((ends[0] - ends[1]).abs().mean()))
    assert max(differ) > 0.02
    led = torch.from_numpy(actions)[None]
    restored = world.decode(world.encode(prompt[None]), led, prompt[None, 0])[0]
    assert float((restored - prompt).square().mean()) < 0.01
