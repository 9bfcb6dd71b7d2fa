import { describe, expect, it } from "vitest";
import { joinNewer, joinOlder, type PageOf } from "./pages";

const page = (text: string, next: string | null = "n"): PageOf<string> => ({ rows: [...text], next });
const self = (row: string) => row;

describe("lists page by page", () => {
  it("joins what is new to what is known", () => {
    expect(joinNewer(page("zyab"), page("abcdef", "f"), self)).toEqual(page("zyabcdef", "f"));
  });

  it("joins where the end of the new page is gone from the known", () => {
    expect(joinNewer(page("zax"), page("abc", "c"), self)).toEqual(page("zaxbc", "c"));
  });

  it("begins anew where the two do not meet", () => {
    expect(joinNewer(page("zyx", "x"), page("abc", "c"), self)).toEqual(page("zyx", "x"));
  });

  it("takes a whole list as it is", () => {
    expect(joinNewer(page("ab", null), page("abcd", null), self)).toEqual(page("ab", null));
  });

  it("adds older ones once", () => {
    expect(joinOlder(page("abc", "c"), page("cde", null), self)).toEqual(page("abcde", null));
  });
});
