"""Back-tests inside the fitted parts (never the held-out points).
tasks(): list of dict(dom,key,cut,w,x,y,xt,yt).  Each curve is cut at x_max/c and the following points up to
H(=2.1)x the last seen x are predicted.  pack() pads to common shapes."""
import os
import numpy as np, pandas as pd
CUTS={1.4:1.0,2.0:1.5,2.8:0.75,4.0:0.5}
def curves(folder=None):
    folder=folder or os.environ['BNSL_DATA_DIR']
    d=pd.concat([pd.read_csv(os.path.join(folder,f)) for f in ('benchmark.vision.csv','benchmark.lang.csv')])
    d=d.drop_duplicates();d=d[d.Training==1].drop(columns='Training')   # the fitted parts, nothing else
    d.columns=['D','T','M','x','y']
    return [(k,q.sort_values('x').x.values,q.sort_values('x').y.values) for k,q in d.groupby(['D','T','M'],sort=True)]
def tasks(cuts=CUTS,H=2.1,nmin=5):
    out=[]
    for k,x,y in curves():
        for c,w in cuts.items():
            if k[0]=='NMT' and c in(1.4,2.8): 
                continue
            tr=x<=x.max()/c*(1+1e-9)
            if k[0]=='NMT': w=w
            if tr.sum()<nmin: continue
            xl=x[tr].max(); te=(x>xl)&(x<=H*xl*(1+1e-9))
            if te.sum()<1: continue
            out.append(dict(dom=k[0],key=k,cut=c,w=w,x=x[tr],y=y[tr],xt=x[te],yt=y[te]))
    return out
def pack(T,N=None,M=None):
    N=N or max(len(t['x']) for t in T);M=M or max(len(t['xt']) for t in T);B=len(T)
    X=np.ones((B,N));Y=np.ones((B,N));m=np.zeros((B,N));Xt=np.ones((B,M));Yt=np.ones((B,M));mt=np.zeros((B,M))
    for i,t in enumerate(T):
        n=len(t['x']);X[i,:n]=t['x'];Y[i,:n]=t['y'];m[i,:n]=1;X[i,n:]=t['x'][-1];Y[i,n:]=t['y'][-1]
        k=len(t['xt']);Xt[i,:k]=t['xt'];Yt[i,:k]=t['yt'];mt[i,:k]=1;Xt[i,k:]=t['xt'][-1];Yt[i,k:]=t['yt'][-1]
    return X,Y,m,Xt,Yt,mt
def rmsle(P,Yt,mt):  # P log prediction
    return np.sqrt(((P-np.log(Yt))**2*mt).sum(1)/mt.sum(1))
def summary(T,P,mt,Yt,lpd=None,pit=None,by='dom'):
    r=rmsle(P,Yt,mt);w=np.array([t['w'] for t in T]);dom=np.array([t[by] for t in T]);o={}
    o['ok']=bool(np.isfinite(r).all())
    for D in dict.fromkeys(dom):
        s=dom==D;q={'r':(r[s]*w[s]).sum()/w[s].sum(),'med':np.median(r[s])}
        if lpd is not None:
            l=(lpd*mt).sum(1)/mt.sum(1);q['lpd']=(l[s]*w[s]).sum()/w[s].sum()
        if pit is not None:
            W=(mt/mt.sum(1,keepdims=True)*w[:,None])[s];p=pit[s]
            for c in(.5,.8,.9,.95): q['c%d'%(c*100)]=(W*(abs(p-.5)<=c/2)).sum()/W.sum()
        o[D]=q
    return o,r
def show(name,o):
    s='%-26s'%name
    for D,q in o.items():
        if D=='ok': continue
        s+=' | %s %.4f'%(D,q['r'])+('(%.2f'%q['lpd']+(' '+'/'.join('%2.0f'%(100*q['c%d'%c]) for c in(50,80,90,95)) if 'c50' in q else '')+')' if 'lpd' in q else '')
    print(s,flush=True);return s
