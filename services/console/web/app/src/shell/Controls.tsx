// What stands in the header: which project, light or dark, who one is.
import { projectsOf, useSession } from "@/api/session";
import { IconButton } from "@/ui/Button";
import type { IconName } from "@/ui/Icon";
import { chooseTheme, type ThemeChoice, useThemeChoice } from "@/ui/theme";
import styles from "./Controls.module.css";

export function ProjectSwitch() {
  const { session, project, setProject } = useSession();
  const projects = projectsOf(session);
  if (projects.length < 2) {
    return (
      <span className={styles.project}>
        <span className={styles.caption}>Project</span> <b>{project}</b>
      </span>
    );
  }
  return (
    <label className={styles.project}>
      <span className={styles.caption}>Project</span>
      <select className={styles.select} value={project} onChange={(event) => setProject(event.target.value)}>
        {projects.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

const NEXT: Record<ThemeChoice, ThemeChoice> = { system: "light", light: "dark", dark: "system" };
const THEME_ICONS: Record<ThemeChoice, IconName> = { system: "system", light: "sun", dark: "moon" };
const THEME_WORDS: Record<ThemeChoice, string> = { system: "as the system", light: "light", dark: "dark" };

export function ThemeSwitch() {
  const choice = useThemeChoice();
  const next = NEXT[choice];
  const label = `Theme: ${THEME_WORDS[choice]}. Change to ${THEME_WORDS[next]}`;
  return <IconButton label={label} icon={THEME_ICONS[choice]} onClick={() => chooseTheme(next)} />;
}

export function Who() {
  const { session, leave } = useSession();
  const scope = session.project === null ? "all projects" : session.project;
  return (
    <div className={styles.who}>
      <div
        className={styles.name}
        title={`${session.role}, ${scope}, Weir ${session.version}, ${session.profile}`}
      >
        <b>{session.name}</b>
        <span>{session.role}</span>
      </div>
      <IconButton label="Log out" icon="leave" onClick={leave} />
    </div>
  );
}
