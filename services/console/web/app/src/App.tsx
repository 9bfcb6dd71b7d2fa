// Who one is decides what there is: the login, or the dashboard.
import { lazy, Suspense, useEffect } from "react";
import { SessionProvider, useSessionState } from "./api/session";
import { navigate, usePlace } from "./router";
import { Shell } from "./shell/Shell";
import { Failed, PageSkeleton } from "./ui/States";
import { Toasts } from "./ui/Toast";

const Login = lazy(() => import("./pages/login"));

export function App() {
  const { state, ask, enter, leave } = useSessionState();
  const { path, search } = usePlace();
  const isRefused = state.step === "refused";

  useEffect(() => {
    if (isRefused && path !== "/login")
      navigate(`/login?to=${encodeURIComponent(path + search)}`, { replace: true });
  }, [isRefused, path, search]);

  return (
    <>
      {state.step === "asking" && <PageSkeleton />}
      {state.step === "failed" && (
        <main>
          <h1 className="sr-only">Weir</h1>
          <Failed problem={state.problem} retry={ask} what="The console" />
        </main>
      )}
      {(isRefused || (state.step === "in" && path === "/login")) && (
        <Suspense fallback={<PageSkeleton />}>
          <Login enter={enter} />
        </Suspense>
      )}
      {state.step === "in" && path !== "/login" && (
        <SessionProvider session={state.session} leave={leave}>
          <Shell />
        </SessionProvider>
      )}
      <Toasts />
    </>
  );
}
