// The projects that are known, and what from.
import { useApi, useProject, useSession } from "@/api";
import { Allowed, Badge, Button, type Column, Panel, Table } from "@/ui";
import styles from "./Settings.module.css";
import { PROJECTS, type Project, type ProjectsResponse } from "./types";

const FROM: Record<string, string> = {
  default: "always there",
  token: "has a token",
  statements: "runs statements",
  cache: "has results in the cache",
};

export function Projects() {
  const { setProject } = useSession();
  const chosen = useProject();
  const state = useApi<ProjectsResponse>(PROJECTS, { every: 10 });
  const columns: Column<Project>[] = [
    { key: "project", title: "Project", cell: (row) => row.project, sort: (row) => row.project },
    {
      key: "known_from",
      title: "Known because it",
      whole: true,
      cell: (row) => row.known_from.map((from) => FROM[from] ?? from).join(", "),
    },
    {
      key: "actions",
      title: "",
      cell: (row) =>
        row.project === chosen ? (
          <Badge tone="good">shown now</Badge>
        ) : (
          <Button small onClick={() => setProject(row.project)} aria-label={`Show project ${row.project}`}>
            Show
          </Button>
        ),
    },
  ];
  return (
    <Panel title="Projects" flush>
      <Allowed state={state} what="Projects" height={200}>
        {(data) => (
          <>
            <Table
              label="All projects"
              columns={columns}
              rows={data.projects}
              rowKey={(row) => row.project}
              sortName="projects"
            />
            {data.missing.map((sentence) => (
              <p key={sentence} className={styles.untold}>
                Some may be missing: {sentence}
              </p>
            ))}
          </>
        )}
      </Allowed>
    </Panel>
  );
}
