// Shown for addresses that lead nowhere.
import { Link, usePlace } from "@/router";
import { PageHead } from "@/ui/Panel";
import { Empty } from "@/ui/States";

export default function MissingPage() {
  const { path } = usePlace();
  return (
    <>
      <PageHead title="There is no such page" />
      <Empty title={path} icon="search">
        The address may be mistyped, or of another version. <Link to="/">To the overview</Link>
      </Empty>
    </>
  );
}
