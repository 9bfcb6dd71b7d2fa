import { describe, expect, it } from "vitest";
import { joinNewer, joinOlder, joinRanked, type PageOf } from "./pages";

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

  it("has each once, though it moved up from what follows", () => {
    expect(joinNewer(page("zdab"), page("abcdef", "f"), self)).toEqual(page("zdabcef", "f"));
  });

  it("keeps of a ranked list what fell out of the beginning, until it is read anew", () => {
    expect(joinRanked(page("dxa"), page("abcdef", "f"), self)).toEqual(page("dxabcef", "f"));
    expect(joinRanked(page("dxa"), page("abc", "c"), self)).toEqual(page("dxa"));
    expect(joinRanked(page("xy", null), page("abcdef", "f"), self)).toEqual(page("xy", null));
  });

  it("adds older ones once", () => {
    expect(joinOlder(page("abc", "c"), page("cde", null), self)).toEqual(page("abcde", null));
  });
});
