// Who one is decides what there is: the login, or the dashboard.
import { lazy, Suspense, useEffect, useState } from "react";
import { SessionProvider, useSessionState } from "./api/session";
import { missing, pages } from "./pages";
import { navigate, preload, usePlace } from "./router";
import { Shell } from "./shell/Shell";
import { Failed, PageSkeleton } from "./ui/States";
import { Toasts } from "./ui/Toast";

const Login = lazy(() => import("./pages/login"));

/** Begins before anything is shown, so that the first page comes beside the answer that says who one is. */
const firstPage = preload(pages, location.pathname, missing);

function useFirstPage(): boolean {
  const [isThere, setThere] = useState(false);
  useEffect(() => {
    void firstPage.then(() => setThere(true));
  }, []);
  return isThere;
}

export function App() {
  const { state, ask, enter, leave } = useSessionState();
  const { path, search } = usePlace();
  const isFirstThere = useFirstPage();
  const isRefused = state.step === "refused";
  const isIn = state.step === "in" && path !== "/login";

  useEffect(() => {
    if (isRefused && path !== "/login")
      navigate(`/login?to=${encodeURIComponent(path + search)}`, { replace: true });
  }, [isRefused, path, search]);

  return (
    <>
      {(state.step === "asking" || (isIn && !isFirstThere)) && <PageSkeleton />}
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
      {isIn && isFirstThere && (
        <SessionProvider session={state.session} leave={leave}>
          <Shell />
        </SessionProvider>
      )}
      <Toasts />
    </>
  );
}
