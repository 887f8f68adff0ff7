# %% parameters
bumps: dict = {"dataset": "bumps", "seeds": 3, "arms": ["random", "random_again", "spread", "all_data"]}
initial: int = 10
budget: int = 10
cycles: int = 4
# %%
import alnb
from alnb import published
from alnb.drawn import standard
from alnb.drawn import toy_paper as drawn
from alnb.methods import toy_paper as toy

nb = alnb.notebook("99_toy_paper", globals())
results = nb.run(toy.grid(**nb.parameters))
# %%
nb.save("toy-fig-1", drawn.fig_1(results))
nb.save("toy-extra-gains", standard.gains(results, "bumps"))
nb.save("toy-extra-pairs", standard.pairs(results, "bumps"))
nb.save("toy-extra-overview", standard.overview(results, "bumps"))
nb.save("toy-extra-beside", standard.beside(results, published.published("toy"), metric="mae"))
nb.save("toy-extra-claims", standard.claims(results, nb.name))
