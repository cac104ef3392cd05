"""Synthetic families, fixed seeds. Each curve is drawn, noise added to log y; train = up to x_cut, test to 2.1x."""
import numpy as np
FAM=['pl','pllim','brk1','brk2','brk3','dd','sat','sigm','m4','width','short']
def bn(u,a,c0,br):
    e=-c0*u
    for c,d,f in br: e=e-c*f*np.logaddexp(0,(u-d)/f)
    return e
def draw(fam,r):
    n=int(np.round(np.exp(r.uniform(np.log(6),np.log(100)))));R=np.exp(r.uniform(np.log(8),np.log(1000)))
    if fam=='short': n=r.integers(5,11)
    nt=max(1,int(n*.4)) ; H=np.log(2.1)
    if r.random()<.5:
        u=np.linspace(-np.log(R),0,n);ut=np.linspace(0,H,nt+1)[1:]
    else:
        u=np.log(np.linspace(1/R,1,n));ut=np.log(np.linspace(1,2.1,nt+1)[1:])
    L=np.log(R);g=lambda:np.clip(r.lognormal(np.log(.3),.7),.03,2)
    k=fam if fam!='short' else r.choice(['pllim','brk1','sat','dd','m4','pl'])
    ua=np.r_[u,ut];lim=0.
    ends=lambda lo,hi: r.beta(lo,hi)
    if k=='pl': e=-g()*ua
    elif k=='pllim': e=-g()*ua;lim=r.beta(1,1)*.95
    elif k in('brk1','brk2','brk3'):
        nb=int(k[-1]);c0=r.choice([0.02,1])*g();br=[(r.normal(0,.35),r.uniform(-L,H*.5),np.exp(r.normal(np.log(.5),.6))) for _ in range(nb)]
        # keep most slopes downward
        br=[(c if c0+sum(b[0] for b in br[:j+1])>-.05 else abs(c),d,f) for j,(c,d,f) in enumerate(br)]
        e=bn(ua,0,c0,br);lim=r.choice([0.,r.beta(1,1.5)*.9])
    elif k=='dd':
        p=r.uniform(-L*.8,-.05*L);h=r.uniform(.1,1);c0=g();f=np.exp(r.normal(np.log(.3),.4));s=r.uniform(.4,1.5)
        v=p-r.uniform(.3,2.)
        e=bn(ua,0,c0,[(-c0-h,v,f),(h+s,p,f)]);lim=r.choice([0.,r.beta(1,1.5)*.8])
        if r.random()<.4: e=bn(ua,0,c0,[(-c0-h,v,f),(h+s,p,f),(-s*.6,p+r.uniform(.5,2),f)])
    elif k=='sat': e=-r.uniform(.4,1.5)*ua;lim=r.uniform(.6,.98)
    elif k=='sigm':
        c=r.uniform(-L,.3);wd=r.uniform(.3,1.5);A=r.uniform(.3,3);y=1/(1+np.exp((ua-c)/wd));e=np.log(y*A+.05*r.random());
    elif k=='m4':
        c=g();al=r.uniform(0,2);e0=1.;b=np.exp(r.normal(0,1.5));ei=r.uniform(0,.5)
        yy=np.linspace(ei+1e-4,e0-1e-9,20001);yy=ei+(e0-ei)*(1/(1+np.exp(-np.linspace(-12,16,6001))))
        q=np.log(yy-ei)-al*np.log(np.maximum(e0-yy,1e-300));e=np.log(np.interp(np.log(b)-c*ua,q,yy))
    elif k=='width': # loss vs width: power with slow crossover to a limit through a finite correction
        c=g();e=np.log(np.exp(-c*ua)/(1+r.uniform(0,1.5)*np.exp(.5*ua)));lim=r.beta(1,1.2)*.9
    l=np.log(lim/(1-lim)*np.exp(e[n-1])+np.exp(e)) if lim>0 else e
    s=np.exp(r.uniform(np.log(.0007),np.log(.03)));t=r.integers(4);N=len(l)
    if t==0: z=s*r.normal(size=N)
    elif t==1: z=s*r.standard_t(3,size=N)/1.3
    else:
        ell=np.exp(r.uniform(np.log(.05),np.log(.6)));z=np.zeros(N);z[0]=r.normal()
        for i in range(1,N):
            rho=np.exp(-(ua[i]-ua[i-1])/ell);z[i]=rho*z[i-1]+np.sqrt(1-rho**2)*r.normal()
        z=s*(z+.3*r.normal(size=N))
    if r.random()<.1: z*=0
    l=l+z;sc=np.exp(r.normal(0,3))
    return np.exp(u)*1e4,np.exp(l[:n])*sc,np.exp(ut)*1e4,np.exp(l[n:])*sc
def tasks(per=24,seed=1,fams=FAM):
    out=[]
    for j,f in enumerate(fams):
        r=np.random.default_rng([seed,FAM.index(f)])
        for i in range(per):
            x,y,xt,yt=draw(f,r);out.append(dict(dom=f,key=(f,i),cut=0,w=1.,x=x,y=y,xt=xt,yt=yt))
    return out
