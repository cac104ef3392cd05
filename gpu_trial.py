import sys, time, warnings, cProfile, pstats
sys.path.insert(0, "benchmarks")
import numpy as np, jax, bnsl
from bnsl import _group_search as gs, _together as tg
from devices import table
warnings.simplefilter("ignore")
print(jax.devices(), flush=True)
C = 100_000
frame = table(C, 64, 9)
f = lambda n: bnsl.fit_many(frame[frame.curve < n], "x", "y", "curve", n_breaks=1, predict_at=[1e7], device="gpu", progress=False)
t = time.perf_counter(); f(40000); print("first", time.perf_counter() - t, flush=True)
for _ in range(2):
    t = time.perf_counter(); f(C); s = time.perf_counter() - t; print("100k", s, C / s, flush=True)
T = {}
def wrap(mod, name):
    g = getattr(mod, name)
    def h(*a, **k):
        t = time.perf_counter(); r = jax.block_until_ready(g(*a, **k)); key = name + str([v for v in a if isinstance(v, int)])
        T.setdefault(key, []).append(time.perf_counter() - t); return r
    setattr(mod, name, h)
for n in ("_scout", "_pass", "_ended"): wrap(gs, n)
for n in ("_surroundings", "_finished", "_batch", "_predictions", "search_many"): wrap(tg, n)
t = time.perf_counter(); f(C); print("blocked", time.perf_counter() - t)
for k, v in T.items(): print(f"{k:30} calls {len(v)} sum {sum(v):.3f} median {np.median(v)*1e3:.1f} ms")
p = cProfile.Profile(); p.enable(); f(C); p.disable()
pstats.Stats(p).sort_stats("tottime").print_stats(16)
