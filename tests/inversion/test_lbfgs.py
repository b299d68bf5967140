"""Minima are found, each row by itself."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize
from torch import Tensor

from animetools.inversion.lbfgs import minimize

STARTS = torch.tensor([[-1.2, 1.0, 0.5, -2.0], [3.0, 3.0, 3.0, 3.0], [1.0, 1.0, 1.0, 1.0]])


def valley(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rosenbrock's function of rows, and its gradient."""
    x = x.detach().requires_grad_()
    values = (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)
    (slope,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), slope


def test_a_curved_valley_is_followed_to_its_end() -> None:
    x, values = minimize(valley, STARTS, 100)
    assert torch.allclose(x, torch.ones(3, 4), atol=1e-3)
    assert (values < 1e-6).all()


def test_it_needs_hardly_more_evaluations_than_scipy() -> None:
    start = STARTS[:1].double()

    def one(x: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, object]:
        value, slope = valley(torch.from_numpy(x)[None])
        return float(value), slope[0].numpy()

    theirs = scipy_minimize(one, start[0].numpy(), jac=True, method="L-BFGS-B", tol=1e-9)
    _, values = minimize(valley, start, round(1.5 * theirs.nfev))
    assert theirs.success
    assert values[0] < 1e-6


@pytest.mark.parametrize("evaluations", [1, 2, 7, 30])
def test_rows_do_not_depend_on_their_company(evaluations: int) -> None:
    calls = []

    def counted(x: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(x))
        return valley(x)

    x, values = minimize(counted, STARTS, evaluations)
    assert calls == [3] * evaluations
    for n in range(3):
        alone, value = minimize(valley, STARTS[n : n + 1], evaluations)
        assert torch.equal(alone[0], x[n])
        assert value[0] == values[n]
        assert torch.equal(valley(alone)[0], value)
    assert (values <= valley(STARTS)[0]).all()


def test_a_row_that_is_not_finite_stays_and_harms_no_other() -> None:
    starts = torch.cat([STARTS, torch.full((1, 4), torch.nan)])
    x, values = minimize(valley, starts, 60)
    assert torch.equal(x[:3], minimize(valley, STARTS, 60)[0])
    assert x[3].isnan().all()
    assert values[3].isnan()


def test_cliffs_are_not_stepped_over() -> None:
    def fenced(x: Tensor) -> tuple[Tensor, Tensor]:
        """A bowl about (3, 0, 0, 0), infinite beyond 3.2."""
        away = x - torch.tensor([3.0, 0, 0, 0])
        values = (away.square() * torch.tensor([1.0, 30, 1, 5])).sum(1)
        return torch.where(x[:, 0] > 3.2, torch.inf, values), 2 * away * torch.tensor(
            [1.0, 30, 1, 5]
        )

    _, values = minimize(fenced, STARTS[:1], 40)
    assert values[0] < 1e-4
