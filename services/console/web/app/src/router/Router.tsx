// Shows the page of the present path: loads it, names the document after it, moves focus and scroll.
import {
  type ComponentType,
  createContext,
  type LazyExoticComponent,
  lazy,
  Suspense,
  useContext,
  useDeferredValue,
  useEffect,
  useLayoutEffect,
  useRef,
} from "react";
import { Boundary } from "@/ui/Boundary";
import { PageSkeleton } from "@/ui/States";
import { scrollBefore, usePlace } from "./history";
import { match, type Params } from "./match";

export interface Route {
  /** Such as `/queries/:fingerprint`. */
  path: string;
  title: string;
  load: () => Promise<{ default: ComponentType }>;
}

interface Here {
  route: Route;
  params: Params;
}

const HereContext = createContext<Params>({});

/** The parameters of the present path. */
export const useParams = (): Params => useContext(HereContext);

const pages = new WeakMap<Route, ComponentType | LazyExoticComponent<ComponentType>>();

function pageOf(route: Route): ComponentType | LazyExoticComponent<ComponentType> {
  const known = pages.get(route);
  if (known) return known;
  const made = lazy(route.load);
  pages.set(route, made);
  return made;
}

/**
 * Loads the page of a path before it is shown; what cannot be loaded is told when it is shown. A page that is there is
 * shown at once: for one that comes a moment later there is a placeholder, which React does not take away for 300 ms.
 */
export async function preload(routes: Route[], path: string, missing: Route): Promise<void> {
  const { route } = findRoute(routes, path, missing);
  try {
    const { default: page } = await route.load();
    if (!pages.has(route)) pages.set(route, page);
  } catch {
    // It is asked for again.
  }
}

export function findRoute(routes: Route[], path: string, missing: Route): Here {
  for (const route of routes) {
    const params = match(route.path, path);
    if (params) return { route, params };
  }
  return { route: missing, params: {} };
}

export function Router({ routes, missing }: { routes: Route[]; missing: Route }) {
  const { path } = usePlace();
  // The page before stays until the next one is loaded.
  const shown = useDeferredValue(path);
  const here = findRoute(routes, shown, missing);
  const Page = pageOf(here.route);
  return (
    <HereContext value={here.params}>
      <Suspense fallback={<PageSkeleton />}>
        <Boundary key={shown}>
          <Arrived title={here.route.title} />
          <Page />
        </Boundary>
      </Suspense>
    </HereContext>
  );
}

let isFirst = true;

/** Is there once the page is: then the title, the focus and the scroll are those of the new page. */
function Arrived({ title }: { title: string }) {
  const done = useRef(false);
  useEffect(() => {
    document.title = `${title} · Weir`;
  }, [title]);
  useLayoutEffect(() => {
    if (done.current) return;
    done.current = true;
    if (!isFirst) focusHeading();
    isFirst = false;
    return scrollTowards(scrollBefore());
  }, []);
  return null;
}

const focusHeading = () => {
  requestAnimationFrame(() => document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true }));
};

/** Scrolls there as soon as the page is long enough, and gives up when the reader scrolls or after two seconds. */
function scrollTowards(top: number): () => void {
  scrollTo(0, top);
  if (top === 0) return () => undefined;
  const watch = new ResizeObserver(() => {
    scrollTo(0, top);
    if (Math.abs(scrollY - top) < 2) stop();
  });
  const stop = () => {
    watch.disconnect();
    clearTimeout(timer);
    removeEventListener("wheel", stop);
    removeEventListener("touchmove", stop);
    removeEventListener("keydown", stop);
  };
  const timer = setTimeout(stop, 2000);
  for (const kind of ["wheel", "touchmove", "keydown"] as const)
    addEventListener(kind, stop, { passive: true });
  watch.observe(document.body);
  return stop;
}
