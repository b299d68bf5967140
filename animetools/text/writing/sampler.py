"""Drawing the next token: temperature, top-k and top-p."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from animetools.options import Opt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sampler:
    """How the next token is drawn."""

    temperature: Annotated[
        float,
        Opt(
            "Randomness of the choice of words: below 1 likely words become likelier, 0 takes the"
            " likeliest.",
            min=0,
            max=100,
        ),
    ] = 0.7
    top_k: Annotated[int, Opt("Draw from this many likeliest tokens; 0 is all.", min=0)] = 30
    top_p: Annotated[
        float,
        Opt(
            "Draw from the likeliest tokens that have this share of the probability.", min=0, max=1
        ),
    ] = 1.0

    def draw(self, logits: "Tensor", chances: "Tensor") -> "Tensor":
        """One token per row, int64 [n], from logits [n, vocabulary] and chances, floats [n] in 0..1.

        Tokens are sorted by probability, so that the chance 0 gives the most probable.
        """
        if self.temperature == 0:
            return logits.argmax(1)
        count = min(self.top_k or logits.shape[1], logits.shape[1])
        values, tokens = logits.topk(count)
        sums = (values / self.temperature).softmax(1).cumsum(1)
        # The first token that reaches top_p is still in; all after it are out.
        reached = (sums < self.top_p).sum(1, keepdim=True).clamp(max=count - 1)
        target = chances[:, None].to(sums) * sums.gather(1, reached)
        place = (sums <= target).sum(1, keepdim=True).clamp(max=count - 1)
        return tokens.gather(1, place)[:, 0]
