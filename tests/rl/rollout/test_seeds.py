"""Seeds by name: stable for ever, apart from each other."""

from __future__ import annotations

from craft_rl.rollout.seeds import episode_seed, named_seed, step_seed


def test_seeds_are_frozen():
    # A change here changes every published run.
    assert (named_seed("a", 1), episode_seed(0, 0, "train/x", 0), step_seed(7, 0)) == FROZEN


def test_names_are_kept_apart():
    seeds = [named_seed("ab", "c"), named_seed("a", "bc"), named_seed("abc"), named_seed(1), named_seed("1")]
    assert len(set(seeds)) == len(seeds)
    many = {
        episode_seed(r, u, f"t{t}", s) for r in range(3) for u in range(5) for t in range(9) for s in range(8)
    }
    assert len(many) == 3 * 5 * 9 * 8
    assert all(0 <= seed < 2**63 for seed in many)


FROZEN = (1846578853026542953, 9010268274775587355, 1476266853509243361)
