// Whether the window is as narrow as a phone, for the few places where style sheets cannot tell.
import { useSyncExternalStore } from "react";

const phone = matchMedia("(max-width: 640px)");

const subscribe = (listener: () => void) => {
  phone.addEventListener("change", listener);
  return () => phone.removeEventListener("change", listener);
};

export const useIsPhone = (): boolean => useSyncExternalStore(subscribe, () => phone.matches);
