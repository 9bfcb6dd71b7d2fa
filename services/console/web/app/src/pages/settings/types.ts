// The settings in force, the health of services, the projects, as the console tells them.

export const CONFIGURATION = "/database/configuration";
export const PROJECTS = "/database/projects";
export const HEALTH = "/database/health";

export interface Setting {
  /** `section.key`. */
  key: string;
  /** Secrets are masked. null: not set. */
  value: string | null;
  /** `default`, `profile`, `file`, `environment NAME`, `set while running`. */
  origin: string;
  /** null: the console does not know. */
  meaning: string | null;
  /** Whether it can be changed while its service runs; null: by a reload, or at the next start. */
  changeable: boolean | null;
}

export interface ConfigurationResponse {
  profile: string;
  /** The settings file. null: there is none. */
  file: string | null;
  settings: Setting[];
  /** Sections that are not listed, and why. */
  missing: { section: string; reason: string }[];
}

export interface HealthPart {
  name: string;
  state: "up" | "degraded" | "down" | "unknown";
  latency_ms: number | null;
  since_unix_ms: number;
  /** Why it is not up, or what is to be known beside that. */
  reason: string;
}

export interface HealthResponse {
  services: HealthPart[];
  dependencies: HealthPart[];
}

export interface Project {
  project: string;
  /** `default`, `token`, `statements`, `cache`. */
  known_from: string[];
}

export interface ProjectsResponse {
  projects: Project[];
  /** What could not be asked: some may be missing. */
  missing: string[];
}
