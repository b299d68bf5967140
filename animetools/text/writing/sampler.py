"""Drawing the next token: temperature, top-k and top-p."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Sampler:
    """How the next token is drawn; top_k 0 is no limit."""

    temperature: float = 0.7
    top_k: int = 30
    top_p: float = 1.0

    def draw(self, logits: Tensor, chances: Tensor) -> Tensor:
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
