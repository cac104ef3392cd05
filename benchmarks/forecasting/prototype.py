"""forecast(x, y): Bayesian average of broken power laws (BNSL) with correlated noise, version 2: two kinds of BNSL in ONE average.

Model.  u = log x - log x_max.  Every averaged law is a BNSL  log y_true = log(a + exp(eta(u))), of one of two kinds:
  smooth: K small breaks at fixed, evenly spaced places in the seen range,
    eta(u) = beta0 - s u + sum_k c_k f softplus((d_k - u)/f)
           (f softplus((d-u)/f) = f softplus((u-d)/f) - (u-d): the same BNSL, written so that s is the slope at the END);
  sharp:  n = 0, 1 or 2 breaks at free places d (in the data and a little beyond), of free width f (grids), the same form up to
          a shift of beta0 and s, which are again the value and the slope of eta at the last point.
    log y_obs = log y_true + OU noise (sd om*sigma, correlation length ELL in log x) + white noise (sd sigma).
Given the node -- (a, q, om, sigma) or (a, [(d,f)], tau, om, sigma): limit, scale of the slope changes, share of correlated noise,
noise level -- and the law linearised about a smooth of the data, the coefficients have a conjugate Gaussian posterior, so
evidence and prediction are in closed form.  All nodes are weighted by prior x evidence (same noise model and linearisation, so
the evidences compare).  The prediction is the law plus the kriged OU residual; the predictive distribution of log y is the
Gaussian mixture over nodes.  Everything is relative to the last point (x_max, y there): scale equivariant.
"""
import numpy as np
import jax, jax.numpy as jnp
from jax.scipy.special import logsumexp, ndtr
jax.config.update('jax_enable_x64', True)

# ---- quadrature grid (accuracy of the integral only; not tuned)
LIMITS = np.array([0., .1, .2, .3, .4, .5, .6, .7, .78, .85, .9, .94, .965, .985, .995])  # a / min of the smooth
K = 16                        # breaks (20 gives the same)
SIGMAS = np.exp(np.linspace(-9.2, -2., 10))
OMEGAS = np.array([0., 1., 2.])                # times OU below
# ---- learnt constants: coordinate search on back-tests inside fitted parts + synthetic families (tune.py)
LA1 = 0.8    # log prior density of the limit fraction r = a/min(smooth): LA1*log(1-r)
Q0 = -0.7    # log sd of slope change per sqrt unit log x: Q0 + QSTEP*(-1.5,-.5,.5,1.5)
QSTEP = 0.95
LQ = 0.4    # log prior slope over those four
L00 = -2    # log prior of no breaks at all
QP = 0.5    # slope-change variance ~ (distance from the end)^QP
ELL = 0.15    # correlation length of noise in log x
OU = 1.4    # unit of the correlated/white sd ratios
LOU = 1.2    # log prior slope over OMEGAS
S0 = -5    # log noise sd ~ N(S0, SSD^2)
SSD = 1.1
S_END = 0.85    # slope of log(y-a) at the end of the data ~ N(S_END, T_END^2)
T_END = 0.5
QF = -1.5    # slope diffusion beyond the data = exp(QF)*q
NODES = 512                   # nodes kept for the prediction (holds > .98 of the weight from 5 points on), re-normalised
NMAX = 160                    # longer curves are averaged in this many bins of log x (white noise var / count)

# ---- sharp breaks
LA0 = 0.2    # log prior density of the limit fraction: + LA0*log(max(r, .03))
ODDS = -1.0  # log prior odds sharp : smooth
NB = np.array([-1.0, 0.0, 1.0])   # log prior of n = 0, 1, 2 breaks (before normalising)
PLACES, BEYOND, WIDTHS = 10, (.2, .55), np.array([.1, .4, 1.2])   # places in the data (denser near the end), beyond, widths
TAU = np.array([0.24, 0.8])   # sd of a slope change, even prior
QD = 0.05               # slope diffusion beyond the data
TRIPLES = 110               # (om, a, sigma) combinations for which pairs of breaks are summed
KEEP = (64, 160, 256)       # nodes kept for the prediction, n = 0, 1, 2

_LW_LIM = LA1*np.log1p(-LIMITS) + LA0*np.log(np.maximum(LIMITS, .03)) + np.log(np.gradient(LIMITS))
_LW_LIM = _LW_LIM - np.log(np.exp(_LW_LIM).sum())
_Q = np.concatenate([[.005], np.exp(Q0 + QSTEP*(np.arange(4) - 1.5))])    # the first: a pure power law + limit (no breaks)
_LW_Q = np.concatenate([[L00], LQ*np.arange(4)])
_LW_Q = _LW_Q - np.log(np.exp(_LW_Q).sum())
_LW_OM = LOU*np.arange(3)
_LW_OM = _LW_OM - np.log(np.exp(_LW_OM).sum())
_LW_SIG = -.5*((np.log(SIGMAS) - S0)/SSD)**2
_LW_SIG = _LW_SIG - np.log(np.exp(_LW_SIG).sum())
_LW_N = ODDS + NB - np.log(np.exp(NB).sum())
_S2 = SIGMAS**2
_ND = PLACES + len(BEYOND)
_NF = _ND*len(WIDTHS)
_PJ, _PK = np.array([(j, k) for j in range(_NF) for k in range(j + 1, _NF) if j//len(WIDTHS) != k//len(WIDTHS)]).T


def _features(v, L):
    dk = -(jnp.arange(K) + .5)*L/K
    f = .7*L/K
    return jnp.concatenate([jnp.ones_like(v)[:, None], -v[:, None], f*jax.nn.softplus((dk[None] - v[:, None])/f)], 1)


def _posterior(z, w, F, L, ld, Lc, n, lw_lim):
    """All nodes at once. z, w: (A, N) linearised target and weight per limit. Indices: r noise kind, a limit, q roughness,
    s sigma, p coefficient, j eigen-direction."""
    A, N = z.shape
    P = K + 2
    mu0 = jnp.zeros(P).at[1].set(S_END)
    Z = jnp.concatenate([(w*(z - F@mu0))[:, :, None], w[:, :, None]*F[None]], 2)
    Zf = jnp.transpose(Z, (1, 0, 2)).reshape(N, A*(P + 1))
    Wh = jax.vmap(lambda l: jax.scipy.linalg.solve_triangular(l, Zf, lower=True))(Lc).reshape(len(OMEGAS), N, A, P + 1)
    G = jnp.einsum('rnap,rnaq->rapq', Wh, Wh)
    zz, b, S = G[:, :, 0, 0], G[:, :, 0, 1:], G[:, :, 1:, 1:]
    s2 = jnp.asarray(SIGMAS**2)
    prof = ((jnp.arange(K) + .5)/K + .02)**QP
    V = _Q[:, None]**2*(L/K)*prof[None]
    v0 = jnp.concatenate([jnp.full((5, 1), 4.), jnp.full((5, 1), T_END**2), V], 1)
    d = jnp.sqrt(v0)
    lam, U = jnp.linalg.eigh(d[:, :, None]*S[:, :, None]*d[:, None, :])
    lam = jnp.maximum(lam, 0)
    DU = d[:, :, None]*U
    g = jnp.einsum('raqpj,rap->raqj', DU, b)[..., None, :]
    e = 1/(s2[:, None] + lam[..., None, :])
    cj = e*g
    ev = -.5*((zz[:, :, None, None] - (g*cj).sum(-1))/s2 + ld[:, None, None, None] + n*jnp.log(2*jnp.pi*s2)
              + jnp.log1p(lam[..., None, :]/s2[:, None]).sum(-1))
    lw = ev + lw_lim[:, None, None] + _LW_Q[:, None] + _LW_OM[:, None, None, None] + _LW_SIG
    Z = logsumexp(lw)
    return lw - Z, Wh, DU, cj, s2[:, None]*e, mu0, Z


@jax.jit
def _fit(x, y, cnt, m):
    """Padded, x ascending; m 1/0 mask; cnt points averaged in each (1 normally). Returns the kept nodes."""
    n = m.sum()
    lx = jnp.log(x)
    ul = jnp.max(jnp.where(m > 0, lx, -jnp.inf))
    u = jnp.where(m > 0, lx - ul, 0.)
    ly = jnp.log(y)
    c = ly[jnp.argmax(jnp.where(m > 0, u, -jnp.inf))]       # the last point: scale of y
    ly = jnp.where(m > 0, ly - c, 0.)
    L = jnp.maximum(-u.min(), .1)
    F = _features(u, L)
    om = OMEGAS*OU
    Kou = jnp.exp(-jnp.abs(u[:, None] - u[None])/ELL)*m[:, None]*m[None]
    Lc = jnp.linalg.cholesky(jnp.diag(1/cnt)[None] + (om**2)[:, None, None]*Kou)
    ld = 2*(jnp.log(jnp.diagonal(Lc, axis1=1, axis2=2))*m).sum(1)
    # pass 1: no limit; the averaged trend is the smooth about which the laws are linearised
    lw, _, DU, cj, _, mu0, _ = _posterior(ly[None], m[None], F, L, ld, Lc, n, jnp.zeros(1))
    l0 = F@(mu0 + jnp.einsum('raqpj,raqsj,raqs->p', DU, cj, jnp.exp(lw)))
    # pass 2: all limits
    Y0 = jnp.exp(l0)
    a = LIMITS*jnp.min(jnp.where(m > 0, Y0, jnp.inf))
    w = jnp.where(m > 0, (Y0 - a[:, None])/Y0, 0.)
    z = jnp.where(m > 0, jnp.log(jnp.maximum(Y0 - a[:, None], 1e-300)) + (ly - l0)/jnp.maximum(w, 1e-300), 0.)
    lw, Wh, DU, cj, sh, mu0, Z = _posterior(z, w, F, L, ld, Lc, n, _LW_LIM)
    # keep the heaviest nodes and gather their state
    top, ix = jax.lax.top_k(lw.reshape(-1), NODES)
    r, i, q, s = jnp.unravel_index(ix, lw.shape)
    DUt, cjt, sht = DU[r, i, q], cj[r, i, q, s], sh[r, i, q, s]
    beta = jnp.einsum('tpj,tj->tp', DUt, cjt)
    Bk = jax.vmap(lambda l, b: jax.scipy.linalg.solve_triangular(l, b, lower=True, trans=1))(
        Lc, Wh.reshape(Wh.shape[:2] + (-1,))).reshape(Wh.shape)            # C^-1 [w r0, w F]
    return dict(lw=top - logsumexp(top), a=a[i], beta=beta, half=DUt*jnp.sqrt(sht)[:, None, :], r=r, i=i, q=q, s=s,
                B=Bk, Lc=Lc, u=u, m=m, c=c, ul=ul, L=L, wlim=jnp.exp(lw).sum((0, 2, 3)), wq=jnp.exp(lw).sum((0, 1, 3)),
                wom=jnp.exp(lw).sum((1, 2, 3)), wsig=jnp.exp(lw).sum((0, 1, 2)), kept=jnp.exp(top).sum(),
                Z=Z, wras=jnp.exp(lw).sum(2), lin=(z, w, a, ld))


@jax.jit
def _predict(st, xt):
    """Per node mean and sd of log y (a measurement; and of the law) at xt: (T, M)."""
    ut = jnp.log(xt) - st['ul']
    Ft = _features(ut, st['L'])
    om = OMEGAS*OU
    mu0 = jnp.zeros(K + 2).at[1].set(S_END)
    kt = (om**2)[:, None, None]*jnp.exp(-jnp.abs(ut[:, None] - st['u'][None])/ELL)*st['m']         # R,M,N
    kb = jnp.einsum('rmn,rnap->ramp', kt, st['B'])                        # kriging of [residual, features]
    kv = (om**2)[:, None] - jnp.square(jax.vmap(lambda l, k: jax.scipy.linalg.solve_triangular(l, k.T, lower=True))(
        st['Lc'], kt)).sum(1)
    kn = kb[st['r'], st['i']]                                            # T,M,P+1
    eta = (Ft@mu0) + st['beta']@Ft.T
    a = st['a'][:, None]
    yh = a + jnp.exp(jnp.clip(eta, -600., 600.))
    wt = 1 - a/yh
    mu = jnp.log(yh) + kn[..., 0] - jnp.einsum('tmp,tp->tm', kn[..., 1:], st['beta'])
    H1 = jnp.einsum('mp,tpj->tmj', Ft, st['half'])
    H2 = jnp.einsum('tmp,tpj->tmj', kn[..., 1:], st['half'])
    q = jnp.asarray(_Q)[st['q']][:, None]
    up = jnp.maximum(ut, 0)
    diff = (wt*jnp.exp(QF)*q)**2*up**3/3
    s2 = jnp.asarray(SIGMAS**2)[st['s']][:, None]
    law = jnp.square(wt[..., None]*H1 - H2).sum(-1) + diff
    return mu + st['c'], jnp.sqrt(law + s2*(1 + jnp.maximum(kv[st['r']], 0))), \
        jnp.sqrt(law + s2*jnp.maximum(kv[st['r']], 0) + 1e-300)


def _sharp_places(L):
    t = (np.arange(PLACES) + .5)/PLACES
    return np.repeat(np.concatenate([-L*t**1.3, BEYOND]), len(WIDTHS)), np.tile(WIDTHS, _ND)


def _sharp_features(v, L):
    """[1, -v, breaks (value and slope 0 at v = 0), 0]"""
    d, f = _sharp_places(L)
    h = f*np.logaddexp(0, (d - v[:, None])/f) - f*np.logaddexp(0, d/f) + v[:, None]/(1 + np.exp(-d/f))
    o = np.ones((len(v), 1))
    return np.concatenate([o, -v[:, None], h, 0*o], 1)


def _lse(v):
    m = v.max()
    return m + np.log(np.exp(v - m).sum())


def _top(lw, k):
    """Indices of the k largest of a flat array, largest first (ties by index)."""
    if len(lw) > k:
        i = np.argpartition(-lw, k - 1)[:k]
    else:
        i = np.arange(len(lw))
    return i[np.lexsort((i, -lw[i]))]


def _sharp_fit(u, z, w, a, Lc, ld, L, wras):
    """Evidences and best nodes of laws with n = 0, 1, 2 breaks. Flat index of (om, a, sigma): ras."""
    A, n = z.shape
    R, NS, T = len(OMEGAS), len(_S2), len(TAU)
    F = _sharp_features(u, L)
    mu0 = np.zeros(_NF + 3)
    mu0[1] = S_END
    Z = np.concatenate([(w*(z - F@mu0))[:, :, None], w[:, :, None]*F[None]], 2)
    Li = np.linalg.inv(Lc)
    Wh = np.matmul(Li, Z.transpose(1, 0, 2).reshape(n, -1)).reshape(R, n, A, -1).transpose(0, 2, 1, 3)     # R, A, n, P
    G = np.matmul(Wh.transpose(0, 1, 3, 2), Wh)
    zz, b, S = G[:, :, 0, 0], G[:, :, 0, 1:], G[:, :, 1:, 1:]
    v0, v1 = 4., T_END**2
    a00, a11, a01 = S[:, :, 0, 0, None] + _S2/v0, S[:, :, 1, 1, None] + _S2/v1, S[:, :, 0, 1, None]
    det = a00*a11 - a01**2
    b0, b1 = b[:, :, 0, None], b[:, :, 1, None]
    q0 = (a11*b0**2 - 2*a01*b0*b1 + a00*b1**2)/det
    h = slice(2, 2 + _NF)
    S0h, S1h = S[:, :, None, h, 0], S[:, :, None, h, 1]
    x0 = (a11[..., None]*S0h - a01[..., None]*S1h)/det[..., None]            # value and slope regressed out of the breaks
    x1 = (a00[..., None]*S1h - a01[..., None]*S0h)/det[..., None]
    g = b[:, :, None, h] - x0*b0[..., None] - x1*b1[..., None]
    dg = np.maximum(np.diagonal(S, axis1=2, axis2=3)[:, :, None, h] - x0*S0h - x1*S1h, 0)
    e0 = (-.5*((zz[..., None] - q0)/_S2 + ld[:, None, None] + n*np.log(2*np.pi*_S2) + np.log(det) - 2*np.log(_S2) + np.log(v0*v1))
          + _LW_LIM[:, None] + _LW_OM[:, None, None] + _LW_SIG)               # R, A, sigma
    ratio = _S2[:, None]/TAU**2                                              # sigma, tau
    A1 = dg[:, :, :, None] + ratio[..., None]
    e1 = e0[..., None, None] + .5*(g[:, :, :, None]**2/A1/_S2[:, None, None] - np.log(A1/ratio[..., None])) - np.log(_NF*T)
    m1 = np.exp(e1 - e1.max()).sum((3, 4))
    # pairs of breaks, for the likeliest (om, a, sigma) under one break or the smooth laws
    sel = np.sort(_top(np.log(m1/m1.sum() + wras + 1e-300).ravel(), TRIPLES))
    r, i, s = np.unravel_index(sel, m1.shape)
    c = S[:, :, h, h].reshape(R, A, -1)[:, :, _PJ*_NF + _PK][r, i]
    X0, X1, gs, ds = x0[r, i, s], x1[r, i, s], g[r, i, s], dg[r, i, s]
    c -= X0[:, _PJ]*S[r, i, 2:2 + _NF, 0][:, _PK]
    c -= X1[:, _PJ]*S[r, i, 2:2 + _NF, 1][:, _PK]
    gj, gk, dj, dk = gs[:, _PJ], gs[:, _PK], ds[:, _PJ], ds[:, _PK]
    cr = 2*c*gj*gk
    c *= c
    gj *= gj
    gk *= gk
    e2 = np.empty((len(sel), T, len(_PJ)))
    for t in range(T):
        q = ratio[s, t][:, None]
        aj, ak = dj + q, dk + q
        D = aj*ak
        np.maximum(D - c, 1e-13*D, out=D)
        ak *= gj
        aj *= gk
        ak += aj
        ak -= cr
        ak /= D
        ak /= _S2[s][:, None]
        D /= q*q
        ak -= np.log(D)
        e2[:, t] = ak
    e2 *= .5
    e2 += (e0[r, i, s] - np.log(len(_PJ)*T))[:, None, None]
    # nodes
    out = []
    for kind, e in enumerate((e0, e1, e2)):
        f = e.ravel()
        mx = f.max()
        ex = np.exp(np.maximum(f - mx, -80.))
        tot = ex.sum()
        ix = _top(f, KEEP[kind])
        lw = f[ix] - mx
        kept = np.exp(lw).sum()
        p = np.unravel_index(ix, e.shape)
        zero = 0*ix
        if kind == 0:
            q = (*p, zero, zero + _NF, zero + _NF)
            marg = ex.reshape(e.shape)/tot
        elif kind == 1:
            q = (*p, zero + _NF)
            marg = ex.reshape(e.shape).sum((3, 4))/tot
        else:
            q = (r[p[0]], i[p[0]], s[p[0]], p[1], _PJ[p[2]], _PK[p[2]])
            marg = np.zeros(e0.size)
            marg[sel] = ex.reshape(len(sel), -1).sum(1)/tot
            marg = marg.reshape(e0.shape)
        out.append((mx + np.log(tot), lw - np.log(kept), q, kept/tot, marg))
    r, i, s, t, j, k = [np.concatenate([o[2][m] for o in out]) for m in range(6)]
    fi = np.stack([0*j, 0*j + 1, j + 2, k + 2], -1)
    s2 = _S2[s]
    pv = np.stack([np.full(len(s), v0), np.full(len(s), v1), TAU[t]**2, TAU[t]**2], -1)
    Am = S[r[:, None, None], i[:, None, None], fi[:, :, None], fi[:, None, :]] + s2[:, None, None]*np.eye(4)/pv[:, None, :]
    sc = 1/np.sqrt(np.diagonal(Am, axis1=1, axis2=2))
    Lb = np.linalg.cholesky(Am*sc[:, :, None]*sc[:, None, :] + 1e-10*np.eye(4))
    half = sc[:, :, None]*np.linalg.inv(Lb).transpose(0, 2, 1)               # half half' = Am^-1
    beta = np.einsum('tij,tkj,tk->ti', half, half, b[r[:, None], i[:, None], fi])
    return dict(Z=np.array([o[0] for o in out]), lw=np.concatenate([o[1] for o in out]), kind=np.repeat(np.arange(3), [len(o[1]) for o in out]),
                kept=np.array([o[3] for o in out]), places=np.stack([j, k], -1), r=r, i=i, s=s, fi=fi, beta=beta,
                half=half*np.sqrt(s2)[:, None, None], mu0=mu0, Li=Li, Wh=Wh, u=u, L=L, a=a[i], d=_sharp_places(L)[0],
                wlim=np.stack([o[4].sum((0, 2)) for o in out]), wom=np.stack([o[4].sum((1, 2)) for o in out]), wsig=np.stack([o[4].sum((0, 1)) for o in out]))


def _sharp_predict(st, ut):
    """Per node mean of log y and sd (of a measurement; of the law) at ut, relative to the last point: (T, M)."""
    F = _sharp_features(ut, st['L'])
    om = OMEGAS*OU
    kw = np.matmul((om**2)[:, None, None]*np.exp(-np.abs(ut[:, None] - st['u'])/ELL), st['Li'].transpose(0, 2, 1))
    kv = np.maximum((om**2)[:, None] - (kw**2).sum(2), 0)
    kb = np.matmul(kw[:, None], st['Wh'])                                   # R, A, M, 1 + P
    r, i, fi = st['r'], st['i'], st['fi']
    ft = F.T[fi].transpose(0, 2, 1)                                          # T, M, 4
    kf = kb[r[:, None], i[:, None], :, fi + 1].transpose(0, 2, 1)
    eta = F@st['mu0'] + np.matmul(ft, st['beta'][..., None])[..., 0]
    a = st['a'][:, None]
    yh = a + np.exp(np.clip(eta, -600., 600.))
    wt = 1 - a/yh
    mu = np.log(yh) + kb[r, i, :, 0] - np.matmul(kf, st['beta'][..., None])[..., 0]
    law = np.square(np.matmul(wt[..., None]*ft - kf, st['half'])).sum(-1) + (wt*QD)**2*np.maximum(ut, 0)**3/3
    s2 = _S2[st['s']][:, None]
    return mu, np.sqrt(law + s2*(1 + kv[r])), np.sqrt(law + s2*kv[r] + 1e-300)



@jax.jit
def _mix_cdf(lw, mu, sd, t):
    return (jnp.exp(lw)[:, None]*ndtr((t[None] - mu)/sd)).sum(0)


@jax.jit
def _mix_quantile(lw, mu, sd, p):
    """Quantile of the mixture at each point: Newton on the cdf, kept inside a shrinking bracket."""
    w = jnp.exp(lw)[:, None]
    heavy = w > 1e-5
    lo = jnp.where(heavy, mu - 8*sd, jnp.inf).min(0)
    hi = jnp.where(heavy, mu + 8*sd, -jnp.inf).max(0)
    t = (w*mu).sum(0)

    def step(_, s):
        lo, hi, t = s
        z = (t - mu)/sd
        F = (w*ndtr(z)).sum(0)
        d = (w*jnp.exp(-.5*z*z)/sd).sum(0)*.3989422804014327
        lo, hi = jnp.where(F < p, t, lo), jnp.where(F < p, hi, t)
        new = t - (F - p)/jnp.maximum(d, 1e-300)
        return lo, hi, jnp.where((new > lo) & (new < hi), new, (lo + hi)/2)
    return jax.lax.fori_loop(0, 16, step, (lo, hi, t))[2]


def _pad(v, n, fill):
    return np.concatenate([v, np.full(n - len(v), fill)])


def _bucket(n, sizes=(16, 32, 64, 96, 160, 256, 512, 1024, 4096)):
    for s in sizes:
        if n <= s:
            return s
    return -(-n//4096)*4096


class Forecast:
    """Predictive distribution of y at any x > 0.  Attributes: state (jax arrays), weights."""

    def __init__(self, x, y):
        x = np.asarray(x, float).ravel()
        y = np.asarray(y, float).ravel()
        if x.shape != y.shape or len(x) < 1 or not (np.all(np.isfinite(x)) and np.all(np.isfinite(y)) and np.all(x > 0) and np.all(y > 0)):
            raise ValueError('x and y must be equally long, finite and > 0')
        o = np.lexsort((y, x))
        x, y = x[o], y[o]
        cnt = np.ones(len(x))
        if len(x) > NMAX:     # bins of log x, equal-width; geometric means
            lx = np.log(x)
            b = np.minimum(((lx - lx[0])/max(lx[-1] - lx[0], 1e-300)*NMAX).astype(int), NMAX - 1)
            k = np.bincount(b, minlength=NMAX)
            s = k > 0
            x, y = [np.exp(np.bincount(b, np.log(v), minlength=NMAX)[s]/k[s]) for v in (x, y)]
            cnt = k[s].astype(float)
        n = len(x)
        N = _bucket(n)
        self.x, self.y = x, y
        self.state = st = _fit(_pad(x, N, x[-1]), _pad(y, N, y[-1]), _pad(cnt, N, 1.), _pad(np.ones(n), N, 0.))
        z, w, a, ld = [np.asarray(v) for v in st['lin']]
        self.c, self.ul = float(st['c']), float(st['ul'])
        self.sharp = _sharp_fit(np.asarray(st['u'])[:n], z[:, :n], w[:, :n], a, np.asarray(st['Lc'])[:, :n, :n], ld, float(st['L']),
                                np.asarray(st['wras']))
        ln = np.concatenate([[float(st['Z'])], self.sharp['Z'] + _LW_N])        # smooth, n = 0, 1, 2
        ln -= ln.max()
        self.wkind = np.exp(ln)/np.exp(ln).sum()
        with np.errstate(divide='ignore'):
            self.lw = np.concatenate([np.asarray(st['lw']) + np.log(self.wkind[0]), self.sharp['lw'] + np.log(self.wkind[1:])[self.sharp['kind']]])

    def nodes(self, xt):
        xt = np.atleast_1d(np.asarray(xt, float))
        M = _bucket(len(xt))
        xp = _pad(xt, M, xt[-1])
        o = _predict(self.state, xp)
        k = len(xt)
        p = [np.concatenate([v, np.repeat(v[:, -1:], M - k, 1)], 1) for v in _sharp_predict(self.sharp, np.log(xt) - self.ul)]
        mu, sd, sl = [np.concatenate([np.asarray(v), q]) for v, q in zip(o, (p[0] + self.c, p[1], p[2]))]
        return mu, sd, sl, k, M

    def log_mean(self, xt):
        """Mean of log y: the point forecast (log)."""
        mu, _, _, k, _ = self.nodes(xt)
        return (np.exp(self.lw)@mu)[:k]

    def predict(self, xt):
        return np.exp(self.log_mean(xt))

    def quantile(self, xt, p, law=False):
        """Quantile(s) of a new measurement (law=True: of the curve without white noise). p scalar -> (M,), else (len(p), M)."""
        mu, sd, sl, k, M = self.nodes(xt)
        f = lambda q: np.exp(np.asarray(_mix_quantile(self.lw, mu, sl if law else sd, float(q))))[:k]
        return f(p) if np.ndim(p) == 0 else np.stack([f(q) for q in p])

    def logpdf(self, xt, yt):
        """Log predictive density of log y."""
        mu, sd, _, k, M = self.nodes(xt)
        t = _pad(np.log(np.atleast_1d(yt)), M, 0.)
        return np.asarray(logsumexp(self.lw[:, None] - .5*((t - mu)/sd)**2 - jnp.log(sd) - .5*np.log(2*np.pi), axis=0))[:k]

    def cdf(self, xt, yt):
        mu, sd, _, k, M = self.nodes(xt)
        return np.asarray(_mix_cdf(self.lw, mu, sd, _pad(np.log(np.atleast_1d(yt)), M, 0.)))[:k]

    def sample(self, xt, size=1000, seed=0):
        """Draws of y at xt (independent across xt: marginals)."""
        mu, sd, _, k, _ = self.nodes(xt)
        g = np.random.default_rng(seed)
        w = np.exp(self.lw)
        i = g.choice(len(w), size=size, p=w/w.sum())
        return np.exp(np.asarray(mu)[i, :k] + np.asarray(sd)[i, :k]*g.standard_normal((size, k)))

    def table(self):
        """Weights of what is averaged: marginals over kind of law, limit, places of the sharp breaks, roughness, noise."""
        s, h, k = self.state, self.sharp, self.wkind
        lim = k[0]*np.asarray(s['wlim']) + k[1:]@h['wlim']
        j = h['places']
        pw = np.exp(h['lw'])*k[1:][h['kind']]
        rows = lambda a, b: [(float(p), float(q)) for p, q in zip(a, b)]
        return {'kind of law': dict(zip(('smooth', 'sharp n=0', 'sharp n=1', 'sharp n=2'), k.tolist())),
                'limit/min(smooth)': rows(LIMITS, lim),
                'place of sharp breaks / x_max (weight of laws with a break there)':
                    rows(np.exp(h['d'][::len(WIDTHS)]), [pw[((j//len(WIDTHS)) == i).any(1)].sum() for i in range(_ND)]),
                'slope change sd per unit log x (smooth)': rows(_Q, np.asarray(s['wq'])),
                'correlated/white noise sd': rows(OMEGAS*OU, k[0]*np.asarray(s['wom']) + k[1:]@h['wom']),
                'white noise sd': rows(SIGMAS, k[0]*np.asarray(s['wsig']) + k[1:]@h['wsig']),
                'weight kept': float(k[0]*float(s['kept']) + k[1:]@h['kept'])}


def forecast(x, y):
    return Forecast(x, y)
