// The settings in force, the health of services, the projects, as the console tells them.
import type { Told } from "@/api";

export const CONFIGURATION = "/database/configuration";
export const PROJECTS = "/database/projects";
export const HEALTH = "/database/health";

export type Setting = Told<"console.SettingNow">;
export type ConfigurationResponse = Told<"console.Configuration">;
export type HealthPart = Told<"console.HealthPart">;
export type HealthResponse = Told<"console.Health">;
export type Project = Told<"console.ProjectSeen">;
export type ProjectsResponse = Told<"console.ProjectsSeen">;
