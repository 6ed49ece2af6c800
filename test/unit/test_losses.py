"""The losses: least where the answer is right, and by how much they rise."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from flat_examples import example_of  # noqa: E402

from autonomy_nodes.perception.bev import CELLS, OUTPUTS, TERRAIN  # noqa: E402
from autonomy_nodes.training.losses import fit, focal, laplace, losses  # noqa: E402
from autonomy_nodes.training.targets import NOT_TOLD, targets_of  # noqa: E402

CAR = [10.1, 5.3, 0.75, 4.4, 1.8, 1.5, 0.5, 3.0, -1.0]


def targets():
    prior = np.zeros((3, *CELLS), np.float32)
    prior[1] = 1.0
    told = targets_of(example_of([CAR], [0], np.random.default_rng(0)), prior)
    stacked = {name: torch.from_numpy(value)[None] for name, value in told.items()}
    return stacked | {'told_before': torch.ones(1, 1, 1, 1)}


def perfect(told):
    out = {name: torch.zeros(1, channels, *cells) for name, (channels, cells) in OUTPUTS.items()}
    out['heat'] = torch.where(told['heat'] == 1.0, 20.0, -20.0)
    out['box'], out['top'] = told['box'].clone(), told['top'].clone()
    out['overlap'] = torch.full_like(out['overlap'], 20.0)
    out['box_spread'] -= 8.0
    out['ground'] = torch.cat([told['ground'], torch.full_like(told['ground'], -8.0)], 1)
    classes = torch.where(told['terrain'] == NOT_TOLD, 0, told['terrain'])
    out['terrain'] = 20.0 * torch.nn.functional.one_hot(classes, 7).permute(0, 3, 1, 2).float()
    out['blocked'], out['occupied'] = (40.0 * told[name] - 20.0 for name in ('blocked', 'occupied'))
    return out


def test_a_perfect_answer_costs_nothing_and_each_mistake_something_in_its_own_head():
    told = targets()
    best = losses(perfect(told), told)
    spreads = {'box_spread': 3 * -4.0, 'ground_spread': -4.0}  # log of a small scale, worth its being right
    for name, value in best.items():
        if name not in ('total', 'heading'):
            assert value.item() == pytest.approx(spreads.get(name, 0.0), abs=1e-3), name
    where = (0, 0, *torch.nonzero(told['heat'][0, 0] == 1.0)[0].tolist())
    i, j = where[2:]
    for head, channel, change, blamed in (
        ('heat', 0, -30.0, 'heat'), ('box', 3, 0.5, 'box'), ('box', 8, 2.0, 'velocity'),
        ('terrain', 6, -40.0, 'terrain'),
        ('ground', 0, 1.0, 'ground'), ('top', 0, 1.0, 'top'), ('blocked', 0, -40.0, 'blocked'),
        ('occupied', 3, -40.0, 'occupied'), ('overlap', 0, -40.0, 'overlap'),
    ):  # fmt: skip
        wrong = perfect(told)
        wrong[head][0, channel, i, j] += change
        found = losses(wrong, told)
        assert found[blamed] > best[blamed] and found['total'] > best['total'], head


def test_a_car_turned_by_half_costs_a_part_of_its_difference_and_by_a_quarter_all():
    told = targets()
    turned, across = perfect(told), perfect(told)
    turned['box'][:, 6:8] *= -1.0
    across['box'][:, 6:8] = torch.stack([told['box'][:, 7], -told['box'][:, 6]], 1)
    same, half, quarter = (losses(out, told)['heading'].item() for out in (perfect(told), turned, across))
    whole = 2.0 * (np.sin(0.5) + np.cos(0.5))
    assert same == pytest.approx(0.0, abs=1e-5)
    assert half == pytest.approx(0.4 * whole, rel=1e-4)
    assert quarter > 1.0


def test_focal_loss_of_two_cells_by_hand():
    logits = torch.zeros(1, 5, 1, 2)
    wanted = torch.zeros(1, 5, 1, 2)
    wanted[0, 0, 0] = torch.tensor([1.0, 0.5])
    weight = torch.ones(1, 1, 1, 2)
    one = 0.25 * np.log(2.0)  # (1 - 0.5)^2 log 2, of the middle and of each cell that is none
    assert focal(logits, wanted, weight).item() == pytest.approx(one + one / 16.0 + 8 * one)
    weight[..., 1] = 0.0
    assert focal(logits, wanted, weight).item() == pytest.approx(one + 4 * one)


def test_the_likeliest_spread_of_a_distance_is_that_distance():
    off = torch.tensor(0.3)
    spreads = torch.linspace(-6.0, 2.0, 801)
    best = spreads[laplace(off, spreads).argmin()]
    assert np.exp(best.item() / 2.0) == pytest.approx(0.3 * 2.0**0.5, rel=0.01)  # standard deviation of Laplace


def test_the_fit_of_a_box_that_lies_half_beside_is_a_third():
    wanted = torch.zeros(1, 10, 1, 1)
    wanted[0, 3:8, 0, 0] = torch.tensor([np.log(4.0), np.log(2.0), 0.0, 0.0, 1.0])
    box = wanted.clone()
    box[0, 0] += 2.0
    assert fit(wanted, wanted).item() == pytest.approx(1.0, abs=1e-4)
    assert fit(box, wanted).item() == pytest.approx(1.0 / 3.0, abs=1e-4)
    box[0, 0] += 2.0
    assert fit(box, wanted).item() == pytest.approx(0.0, abs=1e-4)


def test_a_spread_never_moves_the_value_that_it_is_of():
    told = targets()
    out = {name: value.requires_grad_() for name, value in perfect(told).items()}
    found = losses({name: value + 0.1 for name, value in out.items()}, told)
    (found['ground_spread'] + found['box_spread']).backward()
    assert out['ground'].grad[:, 0].abs().max() == 0.0 and out['ground'].grad[:, 1].abs().max() > 0.0
    assert out['box'].grad is None or out['box'].grad.abs().max() == 0.0


def test_nothing_to_find_and_nothing_seen_still_gives_a_finite_loss():
    told = targets()
    none = {name: torch.zeros_like(value) for name, value in told.items()}
    none['terrain'] += NOT_TOLD
    found = losses({name: torch.zeros(1, channels, *cells) for name, (channels, cells) in OUTPUTS.items()}, none)
    assert all(torch.isfinite(value) for value in found.values())


def test_where_all_that_is_known_is_that_there_is_no_obstacle_every_other_class_is_right():
    told = targets()
    told['terrain'] = torch.full_like(told['terrain'], NOT_TOLD)
    told['no_obstacle'] = torch.zeros_like(told['no_obstacle'])
    told['no_obstacle'][0, 0, 50, 60] = 1.0
    out = perfect(told)
    out['terrain'] = torch.zeros(1, 7, *CELLS)
    assert losses(out, told)['terrain'].item() == pytest.approx(np.log(7.0 / 6.0), rel=1e-4)
    out['terrain'][0, 2, 50, 60] = 30.0
    assert losses(out, told)['terrain'].item() == pytest.approx(0.0, abs=1e-5)
    out['terrain'][0, TERRAIN.index('obstacle'), 50, 60] = 60.0
    assert losses(out, told)['terrain'].item() == pytest.approx(30.0, rel=1e-4)


def test_water_and_tall_bushes_count_four_times_in_what_bars_the_way():
    cost = {}
    for name, blocked in (('obstacle', 1), ('wet', 1), ('wet', 0), ('low_vegetation', 1), ('low_vegetation', 0)):
        told = targets()
        told['terrain'][0, 50, 60], told['blocked'][0, 0, 50, 60] = TERRAIN.index(name), blocked
        out = perfect(told)
        out['blocked'][0, 0, 50, 60] = 10.0 - 20.0 * blocked  # just the wrong way round
        cost[name, blocked] = losses(out, told)['blocked'].item()
    once, low = cost['obstacle', 1], cost['low_vegetation', 0]
    assert cost['wet', 1] == pytest.approx(4.0 * once, rel=0.01)
    assert cost['low_vegetation', 1] == pytest.approx(4.0 * once, rel=0.01)
    assert cost['wet', 0] == pytest.approx(4.0 * low, rel=0.01)
