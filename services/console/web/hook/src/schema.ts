// The console's calls and messages, made from docs/reference/openapi.json by `npm run types`. Not edited by hand.

export interface paths {
    "/database/backup/commits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was committed when, so that one can go back to just before it. */
        get: {
            parameters: {
                query?: {
                    /** @description Only at or after this time, in milliseconds since 1970. 0: from the beginning. */
                    since?: number;
                    /** @description Only before this time. 0: to the end. */
                    until?: number;
                    /** @description Only those that changed this table, as `schema.name`. */
                    table?: string;
                    /** @description Only in this database. */
                    database?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a page of commits */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Commits"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a backup of the whole cluster (operators only), or exports one project's data. What is made has the job's id. */
        post: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.WantedBackup"];
                };
            };
            responses: {
                /** @description the job that was waited for, which has ended */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description the job as it was asked for */
                202: {
                    headers: {
                        /** @description where to follow the job */
                        Location?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/expiry/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What retention would give up now, and what keeps the rest. Changes nothing. */
        get: {
            parameters: {
                query?: {
                    /** @description Only in this repository. */
                    repository?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the verdict on each backup */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.PlanExpiryResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/proofs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was proven when, and how long recovery took. */
        get: {
            parameters: {
                query?: {
                    /** @description Only of this backup. */
                    backup?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a page of proofs */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Proofs"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/proofs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One proof with its evidence. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the proof's id: that of its job */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the outcome and each check */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.GetProofResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/repositories": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where backups are kept, and in what state each place is. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description in the order of the settings */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.ListRepositoriesResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/restore/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a restore would do, and the command that does it. Changes nothing. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.WantedRestore"];
                };
            };
            responses: {
                /** @description the plan and the command */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.RestorePlan"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How backups stand. One that is switched off says so. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description how they stand */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.BackupStatus"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/wal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the write-ahead log reaches the repositories, and how much would be lost now. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description each cluster */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.GetWalStateResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/windows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** To which moments one can restore. More than one window means that log is missing between them. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the windows, in order of time */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.GetRecoveryWindowsResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backup/{id}/test-recovery": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restores a backup on a scratch server and checks it. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the backup's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["console.WantedProof"] | null;
                };
            };
            responses: {
                /** @description what came of it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.RecoveryTest"];
                    };
                };
                /** @description it is under way */
                202: {
                    headers: {
                        /** @description where to follow the job */
                        Location?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.RecoveryTest"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Backups of the cluster and exports of projects; for a token of a project, its exports. */
        get: {
            parameters: {
                query?: {
                    /** @description Only exports of this project; a token sees those of its own only. */
                    project?: string;
                    /** @description Only of this kind. */
                    kind?: "full" | "incremental" | "differential" | "project";
                    /** @description Only in this state; expired and shredded ones are listed if they are asked for. */
                    state?: "unproven" | "proven" | "failed" | "expired" | "shredded";
                    /** @description Only those complete at or after this time, in milliseconds since 1970. */
                    since?: number;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a page of backups */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Backups"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/backups/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One backup with its proofs and the tables it holds. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the backup's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the backup */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.GetBackupResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        /** Changes what people say about a backup. */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the backup's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.BackupRemark"];
                };
            };
            responses: {
                /** @description the backup as it is now */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["backup.Backup"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the cache did since its gateways were started, and what it holds: in all, and by project. */
        get: {
            parameters: {
                query?: {
                    /** @description Only this project's; a token's own if nothing is said, for an operator everybody's. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["cache.GetStatisticsResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Whether a statement is cacheable, or why not, what its results depend on, and what caching it brings. Nothing of it is
         *     run. For an operator: it is analysed with the rights of whatever role is named.
         */
        post: {
            parameters: {
                query?: {
                    /** @description Whose rules; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.CacheExplain"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["cache.ExplainResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache/followers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How each database's log is followed: how late, and which tables cannot be followed. */
        get: {
            parameters: {
                query?: {
                    /** @description Only databases of this server. */
                    upstream?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.CacheFollowers"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache/invalidate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes results invalid. The answer comes when the order is on its way to every gateway. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose rules; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.Invalidation"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["cache.InvalidateResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache/policies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The rules that decide what is cached. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose rules; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.CachePolicies"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        /** Makes a rule, or replaces the one about the same. */
        put: {
            parameters: {
                query?: {
                    /** @description Whose rules; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.NewPolicy"];
                };
            };
            responses: {
                /** @description it replaces one */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["cache.Policy"];
                    };
                };
                /** @description it is new */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["cache.Policy"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache/policies/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a rule that was put by a call. */
        delete: {
            parameters: {
                query?: {
                    /** @description Whose rules; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the rule's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is gone */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/cache/shapes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shapes of statement with what caching them costs and brings. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose shapes; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only shapes whose text contains this. */
                    search?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.CacheShapes"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/circuit-breaker": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The circuit breaker of each server, with its role. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Breakers"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/configuration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Every setting in force and where it came from, as each service says itself; what several of them read is compared.
         *     Secrets are masked, so two different ones look alike.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Configuration"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connection-pool": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every pool as it is now. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Pools"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connection-pool/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has pools hand out no connection; callers wait. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.PoolsOf"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.PoolsSteered"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connection-pool/reconnect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Closes idle connections of pools, so that the next callers get new ones. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.PoolsOf"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.PoolsSteered"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connection-pool/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has pools go on. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.PoolsOf"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.PoolsSteered"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is connected to the PostgreSQL door, and on which connections they are served. */
        get: {
            parameters: {
                query?: {
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Connections"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connections/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was done on pooled connections: since the gateway was started, and lately. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.PoolMetrics"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/connections/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends one client of the PostgreSQL door. What it was doing is cancelled. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the client's id, as the list has it */
                    id: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is being ended */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How healthy everything is: each part with its state, latency, reason and since when. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Health"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/health/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What changed since a moment, and how each minute was. */
        get: {
            parameters: {
                query?: {
                    /** @description From when on, in milliseconds since 1970; 0: the last day. Seven days are kept. */
                    since?: number;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.HealthHistory"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/initialize": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes sure that Weir's own tables are there and of this version: the console makes its own, and every other service does
         *     so by itself as soon as PostgreSQL lets it. May be called again at any time. Suggests extensions and installs none.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Initialized"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was asked for and what became of it: maintenance, backups, proofs, exports. */
        get: {
            parameters: {
                query?: {
                    /** @description On whose behalf; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only those in this state. */
                    state?: "requested" | "running" | "succeeded" | "failed" | "cancelled" | "active" | "ended";
                    /** @description Only those that do this, such as `vacuum` or `backup`. */
                    operation?: string;
                    /** @description Only those that this schedule asked for, by its id. */
                    schedule?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a page of jobs */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Jobs"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One job, with how far it is. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the job's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the job as it is now */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a job: at once if it has not begun, otherwise as soon as it can. */
        post: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the job's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the job as it is now: cancelled, or running until it has stopped */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/calibration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How well work was foretold so far, kind by kind. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description kind by kind */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["maintenance.GetCalibrationResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/pieces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was done to relations, piece by piece: what was expected of it and what came of it. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only those of this job. */
                    job?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a page of pieces */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Pieces"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/pieces/{id}/effect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a piece of work did to the statements of its table: what they took before and after. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the piece */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the piece, and the statements that name its table */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["maintenance.GetEffectResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tables with their bloat, what is due, and why the rest is left. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose tables; those of a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description The operation. */
                    operation?: "auto" | "sweep" | "freeze" | "vacuum" | "analyze" | "reindex" | "reorganize" | "verify";
                    /** @description Only this table, as `schema.name`, with `*` for any characters. */
                    table?: string;
                    /** @description Only this index. */
                    index?: string;
                    /** @description Only what would be done, without what is left and why. */
                    selected?: boolean;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the plan */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.MaintenancePlan"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has maintenance done: at the next opportunity, or only planned. */
        post: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.MaintenanceOrder"];
                };
            };
            responses: {
                /** @description the plan of a dry run, or the job that was waited for, which has ended */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.MaintenanceAnswer"];
                    };
                };
                /** @description the job as it was asked for */
                202: {
                    headers: {
                        /** @description where to follow the job */
                        Location?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How maintenance stands. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description how it stands */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.MaintenanceStatus"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/maintenance/wraparound": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How old the oldest rows of each database are, when limits are reached, and what would be frozen now. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose databases; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Tables to show of each database, the worst first. */
                    tables?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description each database as it was last seen */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["maintenance.GetWraparoundResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How statements fared in the last hour and minute, with what the cache did. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose figures; a token's own project if nothing is said, `default` for an operator, for whom `*` is everybody's. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.PerformanceMetrics"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/activity": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Sessions that matter now: in a transaction, waiting for a lock, or holding others up. */
        get: {
            parameters: {
                query?: {
                    /** @description Only of this server, as `host:port`; of all that are watched if nothing is said. */
                    upstream?: string;
                    /** @description Only in this database; in all if nothing is said. */
                    database?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.ListActivityResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Alerts that fire now or did so lately. */
        get: {
            parameters: {
                query?: {
                    /**
                     * @description Whose alerts; a token's own project if nothing is said, `default` for an operator. Those of whole servers belong to
                     *     `default`.
                     */
                    project?: string;
                    /** @description Only alerts in this state; may be repeated, or hold several with commas between them. None: those that fire or did. */
                    state?: ("pending" | "firing" | "resolved")[];
                    /** @description Only alerts about this shape of statement: 16 hexadecimal digits. */
                    fingerprint?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Alerts"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/alerts/{id}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says that the caller looks after an alert, until it is resolved. */
        post: {
            parameters: {
                query?: {
                    /** @description Only if it is of this project; a token's own if nothing is said, whosever it is for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description The alert. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.Acknowledgement"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.Alert"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/blocking": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who holds others up, and whom. */
        get: {
            parameters: {
                query?: {
                    /** @description Only this server, as `host:port`; all that are watched if nothing is said. */
                    upstream?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.ListBlockingResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shapes of statements whose latency changed its level. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statements; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only changes from then on, in milliseconds since 1970. 0: all that are kept. */
                    since?: number;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.QueryChanges"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/channels": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The channels of the settings, and how it goes with them. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.ListChannelsResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/channels/{name}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends one notification to a channel to see whether it works, whatever the answer. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description The channel. */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.TestChannelResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/dashboard": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the overview shows, at once. A part that cannot be asked is null or empty, and named in `missing`. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose figures; a token's own project if nothing is said, `default` for an operator, for whom `*` is everybody's. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Dashboard"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/forecast": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where a recorded figure is going, and when it runs out if it is one that can. */
        get: {
            parameters: {
                query: {
                    /**
                     * @description Whose figure; a token's own project if nothing is said, `default` for an operator. Figures of whole servers belong
                     *     to `default`.
                     */
                    project?: string;
                    /** @description The figure, by the name that rules know it by, such as `host.disk_used_bytes`; one of those that are recorded. */
                    metric: string;
                    /** @description What it is about: exactly its labels, each as `name=value`; may be repeated. */
                    label?: string[];
                    /** @description How many days to look ahead. */
                    horizon_days?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.GetForecastResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/intake": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What came in from the gateways and what did not, so that one can judge whether the statistics are complete. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.GetIntakeResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/queries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Statements by shape with their statistics. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statements; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only statements whose text contains this. */
                    search?: string;
                    /** @description Only on this database. */
                    database?: string;
                    /** @description Only statements that name this table, as `schema.name`. */
                    table?: string;
                    /** @description Only statements of this kind; all if nothing is said. */
                    kind?: "select" | "insert" | "update" | "delete" | "merge" | "copy" | "ddl" | "transaction" | "utility";
                    /** @description Figures from then on, in milliseconds since 1970. 0: from the beginning of what is kept. */
                    since?: number;
                    /** @description Figures up to then. 0: now. */
                    until?: number;
                    /** @description The order; the greatest first. */
                    sort?: "total" | "calls" | "mean" | "p95" | "p99" | "max" | "errors" | "rows" | "wait" | "last_seen";
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Queries"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/queries/{fingerprint}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One shape of statement with its statistics on each database. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statement; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Figures from then on, in milliseconds since 1970. 0: from the beginning of what is kept. */
                    since?: number;
                    /** @description Figures up to then. 0: now. */
                    until?: number;
                };
                header?: never;
                path: {
                    /** @description The shape: 16 hexadecimal digits. */
                    fingerprint: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Query"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/queries/{fingerprint}/heatmap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How many calls of one shape took how long, span by span: `counts` has one entry for each of `bounds_ms`, and one for
         *     what took longer than the last.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statements; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description From when on, in milliseconds since 1970. 0: the last hour. */
                    since?: number;
                    /** @description Until when. 0: up to now. */
                    until?: number;
                    /**
                     * @description Spans that are wanted at most, each as short as that allows; if nothing is said, as few as answer for the time
                     *     (a heat-map: 120).
                     */
                    points?: number;
                    /** @description Only on this database; on all if nothing is said. */
                    database?: string;
                };
                header?: never;
                path: {
                    /** @description The shape: 16 hexadecimal digits. */
                    fingerprint: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.GetHeatmapResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/queries/{fingerprint}/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Plans that one shape of statement had when it was slow. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statement; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only on this database; on all if nothing is said. */
                    database?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path: {
                    /** @description The shape: 16 hexadecimal digits. */
                    fingerprint: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Plans"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/queries/{fingerprint}/timeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How one shape of statement fared, span by span. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statements; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description From when on, in milliseconds since 1970. 0: the last hour. */
                    since?: number;
                    /** @description Until when. 0: up to now. */
                    until?: number;
                    /**
                     * @description Spans that are wanted at most, each as short as that allows; if nothing is said, as few as answer for the time
                     *     (a heat-map: 120).
                     */
                    points?: number;
                    /** @description Only on this database; on all if nothing is said. */
                    database?: string;
                };
                header?: never;
                path: {
                    /** @description The shape: 16 hexadecimal digits. */
                    fingerprint: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.GetTimelineResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/query/analyze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The plan of one statement, as the planner expects it or as it really ran. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose statement; a token's own project if nothing is said. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.Analyze"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.AnalyzeResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/recommendations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What would serve the server and its tables better. */
        get: {
            parameters: {
                query?: {
                    /**
                     * @description Whose; a token's own project if nothing is said, `default` for an operator. What concerns the whole server belongs to
                     *     `default`, and is shown to operators only.
                     */
                    project?: string;
                    /** @description Only of this kind; may be repeated, or hold several with commas between them. None: all. */
                    kind?: string[];
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Recommendations"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/recommendations/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was changed on advice. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.AdviceChanges"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/recommendations/{id}/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets what a piece of advice proposed when it was listed last. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description The advice, as it was listed. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["maintenance.Change"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/recommendations/{id}/revert": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a change back, if nobody has changed the value since. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description The change; or the advice, whose last change is then meant. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["maintenance.Change"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/rules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The rules as they hold now. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.ListRulesResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        /** Changes a rule, or adds one. */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.NewRule"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.AlertRule"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/rules/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes back what was put of a rule: one that was added is gone, another is as the file has it, or as it came. */
        delete: {
            parameters: {
                query?: {
                    /** @description What was put for this project only; what was put for all if nothing is said. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description The rule. */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/servers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The servers as they were read last, and the machine that the monitor runs on. */
        get: {
            parameters: {
                query?: {
                    /** @description Only this server, as `host:port`; all that are watched if nothing is said. */
                    upstream?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.GetServerResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/silences": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Silences that count now or will, and those that ended lately. */
        get: {
            parameters: {
                query?: {
                    /** @description Only silences of this project alone; a token's own if nothing is said, all for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.ListSilencesResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Begins a silence: alerts that fit are not told to channels meanwhile. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose alerts; a token's own project if nothing is said. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.NewSilence"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.Silence"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/silences/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends a silence now. */
        delete: {
            parameters: {
                query?: {
                    /** @description Only if it is of this project; a token's own if nothing is said, whosever it is for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description The silence. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/monitoring/timeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How everything of a project fared, span by span. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose statements; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description From when on, in milliseconds since 1970. 0: the last hour. */
                    since?: number;
                    /** @description Until when. 0: up to now. */
                    until?: number;
                    /**
                     * @description Spans that are wanted at most, each as short as that allows; if nothing is said, as few as answer for the time
                     *     (a heat-map: 120).
                     */
                    points?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["monitor.GetTimelineResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Projects that are known: those with tokens, with statements since the gateway was started, with results in the cache. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.ProjectsSeen"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/schedules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Schedules of a project. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a page of schedules */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Schedules"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        /** Makes a schedule, or changes the one of that name. */
        put: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.WantedSchedule"];
                };
            };
            responses: {
                /** @description it was changed */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.Schedule"];
                    };
                };
                /** @description it is new */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.Schedule"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/schedules/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a schedule. Its runs stay in the record; one that is under way goes on. */
        delete: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the schedule's name */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is gone */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/schedules/{name}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a schedule from asking for runs until it is resumed. */
        post: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the schedule's name */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is paused */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.Schedule"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/schedules/{name}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a paused schedule go on with its next time. */
        post: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the schedule's name */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it goes on */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.Schedule"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/schedules/{name}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Does a schedule's work now, beside its times. */
        post: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the schedule's name */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["console.RunSchedule"] | null;
                };
            };
            responses: {
                /** @description the job that was waited for, which has ended */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description the job as it was asked for */
                202: {
                    headers: {
                        /** @description where to follow the job */
                        Location?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Job"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was asked of the console: every change, and every refusal. */
        get: {
            parameters: {
                query?: {
                    /** @description Only what names this, in its action or its target. */
                    search?: string;
                    /** @description Only what this caller asked. */
                    actor?: string;
                    /** @description From when on, in milliseconds since 1970. */
                    since?: number;
                    /** @description Up to when. 0: now. */
                    until?: number;
                    /** @description Only what was refused. */
                    refused?: boolean;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Audit"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/firewall": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the firewall does for whom. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only on this database. */
                    database?: string;
                    /** @description Only of this role. */
                    user?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Firewall"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/firewall/mode/{mode}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Has the firewall do something else from now on, for a project or a part of it. It goes before the settings and
         *     outlives restarts. The mode is in the path, so that the audit says which it was.
         */
        post: {
            parameters: {
                query?: {
                    /** @description Whose; `default` if nothing is said. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description What it is to do. */
                    mode: "off" | "learn" | "monitor" | "enforce" | "settings";
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.FirewallModeFor"];
                };
            };
            responses: {
                /** @description it does */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/firewall/shapes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shapes of statement that the firewall knows, and those that wait for a person. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only on this database. */
                    database?: string;
                    /** @description Only of this role. */
                    user?: string;
                    /** @description Only in this state; in any if nothing is said. */
                    state?: "queued" | "learned" | "approved";
                    /** @description Only those whose text contains this, upper and lower case alike, or whose id or fingerprint it is. */
                    search?: string;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.FirewallShapes"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Puts the shape of a statement into the list, approved, before anybody sends it. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose; `default` if nothing is said. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.NewFirewallShape"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["gateway.FirewallShape"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/firewall/shapes/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets shapes through from now on, however suspicious they looked so far. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose; `default` if nothing is said. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.FirewallApproval"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.FirewallShapesDone"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/firewall/shapes/forget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes shapes out of the list, as if they had never been seen. */
        post: {
            parameters: {
                query?: {
                    /** @description Whose; `default` if nothing is said. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.FirewallForgetting"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.FirewallShapesDone"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Broken rules of the last day by rule and by client, and what the firewall does. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.SecurityOverview"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/security/violations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Rules that were broken at the gateways: by whom, with which shape of statement, and what was done about it. */
        get: {
            parameters: {
                query?: {
                    /** @description Whose; a token's own project if nothing is said, `default` for an operator. */
                    project?: string;
                    /** @description Only of this rule, such as `stacked-statements`. */
                    rule?: string;
                    /** @description Only those about which this was done. */
                    action?: "reported" | "blocked";
                    /** @description Only of this role. */
                    user?: string;
                    /** @description Only on this database. */
                    database?: string;
                    /** @description Only from this address. */
                    client?: string;
                    /** @description Only about this shape of statement: 16 hexadecimal digits. */
                    fingerprint?: string;
                    /** @description Only those whose rule, summary, role, database, program or address contains this, upper and lower case alike. */
                    search?: string;
                    /** @description From when on, in milliseconds since 1970. */
                    since?: number;
                    /** @description Up to when. 0: now. */
                    until?: number;
                    /** @description Most entries of the answer. */
                    limit?: number;
                    /** @description Where to go on: `next` of the page before, with everything else unchanged. */
                    page?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Violations"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/status/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The system as a whole, at a glance: health, services, pools, backups. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Overview"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/testing/quick-benchmark": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The ways alone, for a second each; answered when it has ended. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Report"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/testing/reports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Verifications that are kept. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Reports"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/testing/reports/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One verification, also while it runs. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description The report. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Report"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Stops a verification that runs; forgets one that has ended. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description The report. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/testing/reports/{id}/page": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One verification as a page that needs nothing else. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description The report. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/html": string;
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/testing/run-comprehensive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins the whole verification: four ways to ask PostgreSQL beside each other, and the compliance table. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.Verification"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Report"];
                    };
                };
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Report"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tokens that may call. */
        get: {
            parameters: {
                query?: {
                    /** @description With those that were revoked. */
                    all?: boolean;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Tokens"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Makes a token. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.NewToken"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.MadeToken"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends a token. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description The token. */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/windows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The windows of a project, which of them count, and whether one is open now. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description all its windows */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.ListWindowsResponse"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        /** Makes a window, or changes the one of that name. A project with windows of its own has only these. */
        put: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["console.WantedWindow"];
                };
            };
            responses: {
                /** @description it was changed */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.Window"];
                    };
                };
                /** @description it is new */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["scheduler.Window"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/database/windows/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a window. A project without any of its own has the one of the settings. */
        delete: {
            parameters: {
                query?: {
                    /** @description The project; a token's own if nothing is said, `default` for an operator. */
                    project?: string;
                };
                header?: never;
                path: {
                    /** @description the window's name */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is gone */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What happens, as server-sent events: `alert.…`, `job.…`, `pool.state`, `cache.invalidated`, `security.violation`, and
         *     `figures` each second. `gap` says that something was missed, and that lists are to be read again.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Of which project; a token's own if nothing is said, `default` for an operator, who may say `*` for all. */
                    project?: string;
                    /** @description Kinds, or their first words, with commas between: `alert,job.failed`. Every kind if nothing is said. */
                    kind?: string;
                    /** @description The id of the event that was read last, where the header `Last-Event-ID` cannot be sent. */
                    last_event_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["console.Figures"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/database": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether queries are answered: 200 where they are, 503 where they are not. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description healthy or degraded: queries are answered */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.ShortHealth"];
                    };
                };
                /** @description down: queries are not answered */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.ShortHealth"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The metrics of every service and of the console in OpenMetrics text: for a Prometheus with an operator's token. Where
         *     several services have a metric of one name, the label `service` tells them apart. A service that is away is left out.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenMetrics text */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/openmetrics-text": string;
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who the caller is. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["console.Session"];
                    };
                };
                /** @description why not */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["console.Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description What a caller may do.
         * @enum {string}
         */
        Role: "viewer" | "operator";
        /** @description One backup or export in the catalogue. */
        "backup.Backup": {
            /** @description The backup it took over unchanged data from. Empty: none. A restore does not need to know. */
            based_on_id: string;
            /** @description The cluster it was taken of, by the name in the settings. */
            cluster: string;
            /** @description How it is compressed. */
            compression: components["schemas"]["backup.Compression"];
            /**
             * Format: int64
             * @description Pages whose checksum was wrong when they were read. Such a backup is complete but says so.
             */
            corrupt_pages: number;
            encryption?: components["schemas"]["backup.Encryption"] | null;
            /**
             * Format: int64
             * @description When it was complete.
             */
            ended_unix_ms: number;
            /**
             * Format: int64
             * @description When retention will give it up, as things stand. 0: not by time.
             */
            expires_unix_ms: number;
            /** @description Identifies it: a UUID. */
            id: string;
            /** @description Retention must leave it alone. */
            keep: boolean;
            /** @description What sort it is. */
            kind: components["schemas"]["backup.BackupKind"];
            /** @description What people wrote about it. May be empty. */
            note: string;
            /** @description The project, for an export. Empty: the whole cluster. */
            project: string;
            proof?: components["schemas"]["backup.ProofSummary"] | null;
            /** @description The repositories that hold it completely, by name. */
            repositories: string[];
            /**
             * Format: int32
             * @description PostgreSQL's version, such as `150018`.
             */
            server_version: number;
            /**
             * Format: int64
             * @description Bytes of the files or rows that it holds.
             */
            source_bytes: number;
            start?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description When it was begun.
             */
            started_unix_ms: number;
            /** @description Whether it can be relied upon. */
            state: components["schemas"]["backup.BackupState"];
            stop?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description Bytes that it added to the repository, all told.
             */
            stored_bytes: number;
            /**
             * Format: int64
             * @description Objects that it added to the repository.
             */
            stored_objects: number;
            /**
             * Format: int64
             * @description PostgreSQL's identifier of the cluster.
             */
            system_identifier: number;
        };
        /**
         * @description What sort of backup something is.
         * @enum {string}
         */
        "backup.BackupKind": "unspecified" | "full" | "incremental" | "differential" | "project";
        /**
         * @description Whether a backup can be relied upon.
         * @enum {string}
         */
        "backup.BackupState": "unspecified" | "unproven" | "proven" | "failed" | "expired" | "shredded";
        /** @description One check of a proof. */
        "backup.Check": {
            /**
             * Format: int64
             * @description How long it took.
             */
            duration_ms: number;
            /**
             * Format: int64
             * @description How many things were looked at: bytes, pages, tables or rows, as the name says.
             */
            examined: number;
            /** @description What was found wrong, at most 100 lines. None: nothing. */
            findings: string[];
            /**
             * @description What was checked: `restore`, `recovery`, `page_checksums`, `structure`, `row_counts`, or the name of a user's
             *     query.
             */
            name: string;
            /** @description What is to be known beside that, such as what could not be looked at, at most 100 lines. */
            notes: string[];
            /** @description Whether it passed. */
            passed: boolean;
        };
        /** @description One commit in the archived log. */
        "backup.Commit": {
            /** @description What it changed, the most changed table first. */
            changes: components["schemas"]["backup.TableChange"][];
            /**
             * Format: int64
             * @description When it was committed, by the server's clock.
             */
            committed_unix_ms: number;
            /** @description The database. Empty: not known. */
            database: string;
            position?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int32
             * @description The transaction's number.
             */
            xid: number;
        };
        /**
         * @description How something is compressed.
         * @enum {string}
         */
        "backup.Compression": "unspecified" | "zstd" | "lz4" | "gzip" | "none";
        /** @description Who can read a backup. */
        "backup.Encryption": {
            /** @description The key it needs, by id. */
            key_id: string;
            /** @description How it is encrypted. */
            scheme: components["schemas"]["backup.EncryptionScheme"];
        };
        /**
         * @description How something is encrypted.
         * @enum {string}
         */
        "backup.EncryptionScheme": "unspecified" | "none" | "repository" | "project";
        /** @description What retention says of one backup. */
        "backup.ExpiryVerdict": {
            /** @description The backup's id. */
            backup_id: string;
            /** @description True: it would be given up. */
            expires: boolean;
            /**
             * @description The rules that keep it, such as `days`, `count`, `daily`, `weekly`, `monthly`, `keep`, `object_lock`,
             *     `last_proven`.
             */
            kept_by: string[];
        };
        /** @description One backup. */
        "backup.GetBackupResponse": {
            backup?: components["schemas"]["backup.Backup"] | null;
            /** @description Its proofs, the newest first. */
            proofs: components["schemas"]["backup.ProofSummary"][];
            /** @description What it holds of each table; for an export, with the number of rows. */
            tables: components["schemas"]["backup.TableContent"][];
        };
        /** @description One proof. */
        "backup.GetProofResponse": {
            /** @description Each check, in the order in which they were made. */
            checks: components["schemas"]["backup.Check"][];
            summary?: components["schemas"]["backup.ProofSummary"] | null;
        };
        /** @description To which moments one can restore. */
        "backup.GetRecoveryWindowsResponse": {
            /** @description The windows without gaps, in order of time. More than one means that log is missing between them. */
            windows: components["schemas"]["backup.RecoveryWindow"][];
        };
        /** @description The log of each cluster. */
        "backup.GetWalStateResponse": {
            /** @description One entry for each cluster. */
            clusters: components["schemas"]["backup.WalState"][];
        };
        /** @description The repositories. */
        "backup.ListRepositoriesResponse": {
            /** @description The repositories, in the order of the settings. */
            repositories: components["schemas"]["backup.Repository"][];
        };
        /** @description A place in the write-ahead log. */
        "backup.LogPosition": {
            /**
             * Format: int64
             * @description The position.
             */
            lsn: number;
            /**
             * Format: int32
             * @description The timeline.
             */
            timeline: number;
        };
        /** @description Something that stands against a plan. */
        "backup.Obstacle": {
            /** @description Whether the order may override it. */
            can_be_forced: boolean;
            /** @description What it is and what would help: one sentence. */
            detail: string;
            /** @description A slug of `docs/reference/errors.md`. */
            slug: string;
        };
        /** @description What retention would do now. */
        "backup.PlanExpiryResponse": {
            /**
             * Format: int64
             * @description Bytes that would become free, as far as is known before collecting.
             */
            freed_bytes_estimate: number;
            /** @description Every backup that is not expired yet, the oldest first. */
            verdicts: components["schemas"]["backup.ExpiryVerdict"][];
            /** @description What would be removed of each cluster's log. None: nothing. */
            wal: components["schemas"]["backup.WalExpiry"][];
        };
        /** @description What a restore would do. */
        "backup.PlanRestoreResponse": {
            backup?: components["schemas"]["backup.Backup"] | null;
            /**
             * Format: int64
             * @description How long it would take, from the last proofs. 0: not known.
             */
            duration_ms_estimate: number;
            /** @description The first commits that would be missing, at most 20. */
            first_missing: components["schemas"]["backup.Commit"][];
            /**
             * Format: int64
             * @description Bytes in the directory that it would leave as they are.
             */
            kept_bytes: number;
            last_commit?: components["schemas"]["backup.Commit"] | null;
            /** @description What stands against it. With any of these it would refuse, unless forced. */
            obstacles: components["schemas"]["backup.Obstacle"][];
            /**
             * Format: int64
             * @description Bytes it would read from the repository, log included.
             */
            read_bytes: number;
            wal_from?: components["schemas"]["backup.LogPosition"] | null;
            wal_to?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description Bytes it would write.
             */
            write_bytes: number;
        };
        /**
         * @description How thorough a proof is.
         * @enum {string}
         */
        "backup.ProofDepth": "unspecified" | "changed" | "full";
        /**
         * @description Whether a proof succeeded.
         * @enum {string}
         */
        "backup.ProofState": "unspecified" | "running" | "proven" | "failed" | "inconclusive";
        /** @description The outcome of a proof. */
        "backup.ProofSummary": {
            /** @description The backup. */
            backup_id: string;
            /** @description How thorough it was. */
            depth: components["schemas"]["backup.ProofDepth"];
            /**
             * Format: int64
             * @description When it ended. 0: it has not.
             */
            ended_unix_ms: number;
            /** @description Identifies it: the id of its job. */
            id: string;
            /** @description Why it failed or could not be carried out: one sentence. Empty otherwise. */
            reason: string;
            recovered_to?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description Milliseconds from the first byte read until the server took queries: the recovery time that was measured.
             */
            recovery_ms: number;
            /** @description The repository it restored from. */
            repository: string;
            /**
             * Format: int64
             * @description When it began.
             */
            started_unix_ms: number;
            /** @description Whether it succeeded. */
            state: components["schemas"]["backup.ProofState"];
        };
        /** @description A span of log without gaps that begins with a backup. */
        "backup.RecoveryWindow": {
            /** @description The backups that begin in it, the oldest first. */
            backup_ids: string[];
            from?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description The time of the first commit in it.
             */
            from_unix_ms: number;
            to?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description The time of the last commit in it.
             */
            to_unix_ms: number;
        };
        /** @description One place where backups are kept. */
        "backup.Repository": {
            /**
             * Format: int64
             * @description Backups listed.
             */
            backups: number;
            /**
             * Format: int32
             * @description Version of its format.
             */
            format_version: number;
            /**
             * Format: int64
             * @description Bytes that nothing needs any more and that await removal.
             */
            garbage_bytes: number;
            /**
             * Format: int64
             * @description Number of its last change. It only grows; a smaller one than was seen before is an attack or an accident.
             */
            generation: number;
            /** @description Its name in the settings. */
            name: string;
            /** @description Objects cannot be removed before their time, even by this service. */
            object_lock: boolean;
            /** @description Whether it can be used now. */
            reachable: boolean;
            /**
             * Format: int64
             * @description Bytes stored.
             */
            stored_bytes: number;
            /**
             * Format: int64
             * @description Objects stored.
             */
            stored_objects: number;
            /** @description Why not, or what else is wrong: one sentence. Empty: nothing. */
            trouble: string;
            /** @description Where it is, without any credential. */
            url: string;
        };
        /** @description What one commit changed in one table. */
        "backup.TableChange": {
            /**
             * Format: int64
             * @description Rows deleted.
             */
            deleted: number;
            /**
             * Format: int64
             * @description Rows inserted.
             */
            inserted: number;
            /** @description The table was emptied, rewritten or dropped. */
            replaced: boolean;
            /** @description The table, as `schema.name`; its number where the name is not known. */
            table: string;
            /**
             * Format: int64
             * @description Rows updated.
             */
            updated: number;
        };
        /** @description What a backup holds of one table. */
        "backup.TableContent": {
            /**
             * Format: int64
             * @description Bytes.
             */
            bytes: number;
            /** @description The database. */
            database: string;
            /**
             * Format: int64
             * @description Rows. Unset where it is not known: in backups of files that were not proven.
             */
            rows?: number | null;
            /** @description The table, as `schema.name`. */
            table: string;
        };
        /** @description What retention says of one cluster's log. */
        "backup.WalExpiry": {
            before?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description Bytes of it.
             */
            bytes: number;
            /** @description The cluster. */
            cluster: string;
        };
        /** @description How a cluster's log reaches the repositories. */
        "backup.WalState": {
            /** @description The cluster. */
            cluster: string;
            durable?: components["schemas"]["backup.LogPosition"] | null;
            /**
             * Format: int64
             * @description Milliseconds of commits that would be lost if the server were gone now.
             */
            exposure_ms: number;
            /**
             * Format: int64
             * @description The longest such time in the last hour, leaving out the worst hundredth.
             */
            exposure_p99_ms: number;
            /**
             * Format: int64
             * @description Bytes between the server and what is safe.
             */
            lag_bytes: number;
            /** @description Why by that way, where it is not streaming; or what hinders it: one sentence. Empty: nothing. */
            reason: string;
            received?: components["schemas"]["backup.LogPosition"] | null;
            server?: components["schemas"]["backup.LogPosition"] | null;
            /** @description The replication slot. Empty: none. */
            slot: string;
            /**
             * Format: int64
             * @description The slot is given up rather than hold back more than this. 0: no guard.
             */
            slot_guard_bytes: number;
            /**
             * Format: int64
             * @description Bytes of log that the slot holds back at the server.
             */
            slot_retained_bytes: number;
            /** @description By which way. */
            way: components["schemas"]["backup.WalWay"];
        };
        /**
         * @description By which way the log comes.
         * @enum {string}
         */
        "backup.WalWay": "unspecified" | "streaming" | "archive" | "catch_up" | "off";
        /** @description What caching a shape costs and brings, measured live. */
        "cache.Benefit": {
            /**
             * Format: double
             * @description Hits in one of them, 0 to 1.
             */
            hit_ratio: number;
            /**
             * Format: double
             * @description Microseconds of an average answer from the cache.
             */
            hit_us: number;
            /**
             * Format: int64
             * @description Look-ups measured.
             */
            lookups: number;
            /**
             * Format: double
             * @description Microseconds of an average answer from PostgreSQL.
             */
            miss_us: number;
            /**
             * Format: double
             * @description Microseconds that looking up and validating add to a miss.
             */
            overhead_us: number;
            /**
             * Format: double
             * @description Bytes of an average result as it is stored.
             */
            result_bytes: number;
            /**
             * Format: double
             * @description Microseconds saved for each second of operation; negative where caching loses.
             */
            saved_us_per_second: number;
        };
        /**
         * @description Whether results are cached.
         * @enum {string}
         */
        "cache.CacheMode": "unspecified" | "auto" | "always" | "never" | "dry_run";
        /**
         * @description How fresh a cached answer must be.
         * @enum {string}
         */
        "cache.Consistency": "unspecified" | "strict" | "session" | "bounded" | "ttl";
        /**
         * @description How a change of definitions or rights is noticed.
         * @enum {string}
         */
        "cache.DdlWatch": "unspecified" | "event_triggers" | "catalogue";
        /** @description What is done about a shape, and who decided. */
        "cache.Decision": {
            /** @description What is done. */
            mode: components["schemas"]["cache.CacheMode"];
            /** @description The rule that decided. Empty: measured benefit did. */
            policy_id: string;
            /** @description Why: one sentence with the numbers or the rule that decided it. */
            reason: string;
        };
        /** @description Says that no exception is meant. */
        "cache.Everything": Record<string, never>;
        /** @description What the cache thinks of a statement. */
        "cache.ExplainResponse": {
            benefit?: components["schemas"]["cache.Benefit"] | null;
            /** @description Whether its results may be cached at all. */
            cacheable: boolean;
            /** @description How fresh its results would be. */
            consistency: components["schemas"]["cache.Consistency"];
            decision?: components["schemas"]["cache.Decision"] | null;
            /** @description Its shape: 16 hexadecimal digits. */
            fingerprint: string;
            /** @description Why not. None where it is cacheable. */
            refusals: components["schemas"]["cache.Refusal"][];
            /** @description What its results depend on. Values are left out where a parameter decides them. */
            tags: components["schemas"]["cache.Tag"][];
        };
        /** @description How one database is followed. */
        "cache.Follower": {
            /**
             * Format: int64
             * @description Every commit up to here has been turned into tags.
             */
            applied_lsn: number;
            /** @description The database. */
            database: string;
            /** @description How a change of definitions or rights is noticed. */
            ddl_watch: components["schemas"]["cache.DdlWatch"];
            /** @description The epoch. Empty: none yet. */
            epoch: string;
            /** @description What hinders it: one sentence. Empty: nothing. */
            hindrance: string;
            /**
             * Format: int64
             * @description Results read before this position are invalid. 0: none.
             */
            kill_lsn: number;
            /**
             * Format: double
             * @description Half of the commits were told within this many milliseconds, over the last minute.
             */
            lag_p50_ms: number;
            /**
             * Format: double
             * @description 99 of 100 commits were told within this many milliseconds, over the last minute.
             */
            lag_p99_ms: number;
            /** @description The instance that leads, and so reads the log. */
            leader: string;
            /**
             * Format: int64
             * @description Bytes of write-ahead log that the slot holds back.
             */
            retained_wal_bytes: number;
            /**
             * Format: int64
             * @description Number of the last message sent in this epoch.
             */
            sequence: number;
            /** @description The replication slot. */
            slot: string;
            /** @description What it does now. */
            state: components["schemas"]["cache.FollowerState"];
            /** @description Tables whose statements are not cached, and why. */
            unfollowed: components["schemas"]["cache.UnfollowedTable"][];
            /** @description The PostgreSQL server. */
            upstream: string;
            /**
             * Format: int64
             * @description Every commit up to here is known to be visible to new reads.
             */
            visible_lsn: number;
        };
        /**
         * @description What a follower does.
         * @enum {string}
         */
        "cache.FollowerState": "unspecified" | "standby" | "starting" | "following" | "lagging" | "blocked";
        /** @description Statistics since the start of the processes that report them. */
        "cache.GetStatisticsResponse": {
            /** @description Each project, by name. */
            projects: components["schemas"]["cache.ProjectStatistics"][];
            total?: components["schemas"]["cache.Statistics"] | null;
        };
        /** @description The order is on its way. */
        "cache.InvalidateResponse": {
            /** @description One receipt for each database concerned. */
            receipts: components["schemas"]["cache.Receipt"][];
        };
        /** @description One rule about what is cached, and how. */
        "cache.Policy": {
            /**
             * Format: int32
             * @description For bounded: greatest age in milliseconds. 0: the pool's bound, 1000.
             */
            bound_ms: number;
            /** @description How fresh they must be. Unspecified: as the pool says. */
            consistency: components["schemas"]["cache.Consistency"];
            /** @description Identifies it. Given by the server; empty when a new one is put. */
            id: string;
            /**
             * Format: int64
             * @description For a whole project: most bytes it may hold in one gateway's memory. 0: the server's setting.
             */
            memory_bytes_max: number;
            /** @description Whether results are cached. */
            mode: components["schemas"]["cache.CacheMode"];
            /**
             * Format: int32
             * @description How long an empty result lives at most, in milliseconds. 0: like any other.
             */
            negative_ttl_ms: number;
            /** @description Why the rule is there, for people. May be empty. */
            note: string;
            /** @description Where it comes from. Given by the server. */
            origin: components["schemas"]["cache.PolicyOrigin"];
            /** @description The project it belongs to. Empty: the project `default`. */
            project: string;
            /**
             * Format: int64
             * @description Larger results are not cached, in bytes. 0: the server's setting.
             */
            result_bytes_max: number;
            /**
             * Format: int64
             * @description For a whole project: most bytes it may hold in the shared level. No gateway can count that yet: anything but 0 is
             *     refused.
             */
            shared_bytes_max: number;
            /**
             * Format: int32
             * @description For bounded and ttl: how long beyond its end a result may still be served while a fresh one is fetched, in
             *     milliseconds. No gateway can do that yet: anything but 0 is refused.
             */
            stale_while_revalidate_ms: number;
            subject?: components["schemas"]["cache.Policy.subject"] | null;
            /**
             * Format: int32
             * @description For ttl: how long a result lives, in milliseconds. Must be set there. Elsewhere it ends a result early. 0: it does
             *     not.
             */
            ttl_ms: number;
        };
        /** @description What it applies to. The most particular rule wins: shape before table before project. */
        "cache.Policy.subject": {
            /** @description One shape: 16 hexadecimal digits. */
            fingerprint: string;
        } | {
            /** @description Every statement that reads this table, as `schema.name`. */
            relation: string;
        } | {
            /** @description Every statement of the project. */
            whole_project: components["schemas"]["cache.Everything"];
        };
        /**
         * @description Where a rule comes from.
         * @enum {string}
         */
        "cache.PolicyOrigin": "unspecified" | "file" | "call";
        /** @description Statistics of one project. */
        "cache.ProjectStatistics": {
            /** @description The project. */
            project: string;
            statistics?: components["schemas"]["cache.Statistics"] | null;
        };
        /** @description Where an order stands among the invalidations of one database. */
        "cache.Receipt": {
            /** @description The database. */
            database: string;
            /** @description The epoch in which the order was given. */
            epoch: string;
            /**
             * Format: int64
             * @description The message that carries it. A gateway that has taken this one serves nothing of what was made invalid.
             */
            sequence: number;
            /** @description The PostgreSQL server. */
            upstream: string;
        };
        /** @description One reason why a statement cannot be cached. */
        "cache.Refusal": {
            /** @description What in the statement or in the database breaks it, and what would help: one sentence. */
            detail: string;
            /** @description The rule, such as `volatile_function`, `locking`, `temporary_table`, `no_replica_identity`. */
            rule: string;
        };
        /** @description One shape of statement, as the cache sees it. */
        "cache.Shape": {
            benefit?: components["schemas"]["cache.Benefit"] | null;
            /**
             * Format: int64
             * @description Bytes that all of them take.
             */
            bytes: number;
            /** @description The database. */
            database: string;
            decision?: components["schemas"]["cache.Decision"] | null;
            /**
             * Format: int64
             * @description Results of it in the gateways' memories now.
             */
            entries_memory: number;
            /**
             * Format: int64
             * @description Results of it in the shared level now.
             */
            entries_shared: number;
            /** @description The shape: 16 hexadecimal digits. */
            fingerprint: string;
            /** @description The project. */
            project: string;
            /** @description The text without its literals. Empty where it is not known. */
            text: string;
        };
        /** @description What the cache did, and what it holds. */
        "cache.Statistics": {
            /**
             * Format: int64
             * @description Milliseconds during which a lease had run out and every read went to PostgreSQL.
             */
            bypass_ms_total: number;
            /**
             * @description Statements that the cache stood aside for, by reason: `not_cacheable`, `policy`, `no_lease`, `gap`,
             *     `unknown_session`, `in_transaction`, `no_benefit`.
             */
            bypasses_total: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Bytes they take in the gateways' memories.
             */
            bytes_memory: number;
            /**
             * Format: int64
             * @description Bytes they take in the shared level.
             */
            bytes_shared: number;
            /**
             * Format: int64
             * @description Results in the gateways' memories now.
             */
            entries_memory: number;
            /**
             * Format: int64
             * @description Results in the shared level now.
             */
            entries_shared: number;
            /**
             * Format: int64
             * @description Results removed to make room.
             */
            evictions_total: number;
            /** @description Results not stored, by reason: `too_large`, `overtaken`, `not_admitted`, `budget`. */
            fills_refused_total: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Results stored.
             */
            fills_total: number;
            /**
             * Format: int64
             * @description Answered from a gateway's own memory.
             */
            hits_memory_total: number;
            /**
             * Format: int64
             * @description Answered from the level that the gateways share.
             */
            hits_shared_total: number;
            /**
             * Format: int64
             * @description Tags made invalid by commits.
             */
            invalidations_total: number;
            /**
             * Format: int64
             * @description Statements for which the cache was asked.
             */
            lookups_total: number;
            /** @description Answered by PostgreSQL, by reason: `absent`, `invalidated`, `expired`, `newer_needed`, `evicted`, `collision`. */
            misses_total: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Microseconds of PostgreSQL's work that hits made unnecessary, less what looking up took.
             */
            saved_us_total: number;
            /**
             * Format: int64
             * @description The same, as it would have been for shapes in dry run.
             */
            would_have_saved_us_total: number;
        };
        /** @description One thing that a result depends on. */
        "cache.Tag": {
            /** @description The key columns, in the order of the table. None: the whole table. */
            columns: string[];
            /** @description Why it is no more precise than this, such as `replica_identity`, `outer_join`, `subquery`, `type`. Empty: it is. */
            imprecise_reason: string;
            /** @description The table, as `schema.name`. */
            relation: string;
            /** @description The value of each key column. None: any. */
            values: unknown[];
        };
        /** @description A table that cannot be followed. */
        "cache.UnfollowedTable": {
            /** @description What would help, as SQL where that is possible. May be empty. */
            advice: string;
            /** @description Why, such as `no_replica_identity`, `unlogged`, `foreign`, `not_owner`. */
            reason: string;
            /** @description The table, as `schema.name`. */
            relation: string;
        };
        /**
         * @description Where a job stands. The first two may change; the last three are for good.
         * @enum {string}
         */
        "common.JobState": "unspecified" | "requested" | "running" | "succeeded" | "failed" | "cancelled";
        /** @description One pool of server connections: one upstream, one database, one role. */
        "common.Pool": {
            /**
             * Format: int32
             * @description Connections lent out.
             */
            active: number;
            /**
             * Format: int64
             * @description Connections closed since the process started, for whatever reason.
             */
            closed_total: number;
            /** @description The database. */
            database: string;
            /**
             * Format: int32
             * @description Connections open and free.
             */
            idle: number;
            /**
             * Format: int32
             * @description Most connections this pool may open.
             */
            max: number;
            /**
             * Format: int32
             * @description Connections it keeps open even when nobody uses them.
             */
            min: number;
            /**
             * Format: int64
             * @description Connections opened since the process started.
             */
            opened_total: number;
            /** @description The role that the connections are logged in as. */
            role: string;
            /**
             * Format: int32
             * @description Connections open now, idle or active.
             */
            total: number;
            /** @description The PostgreSQL server. */
            upstream: string;
            /**
             * Format: int32
             * @description Callers waiting for a connection.
             */
            waiting: number;
        };
        /** @description How far a job is. */
        "common.Progress": {
            /**
             * Format: int64
             * @description Units done so far.
             */
            done: number;
            /** @description What is being done now, for a person. May be empty. */
            note: string;
            /**
             * Format: int64
             * @description Units in all. 0: not known yet.
             */
            total: number;
        };
        /**
         * @description How much an alert or a finding matters.
         * @enum {string}
         */
        "common.Severity": "unspecified" | "info" | "warning" | "critical";
        /**
         * @description What sort of statement something is.
         * @enum {string}
         */
        "common.StatementKind": "unspecified" | "select" | "insert" | "update" | "delete" | "merge" | "copy" | "ddl" | "transaction" | "utility";
        /** @description What is to be noted at an alert. */
        "console.Acknowledgement": {
            /** @description What the caller has to say of it. */
            note?: string;
        };
        /** @description Changes that were made on advice. */
        "console.AdviceChanges": {
            /** @description The newest first. */
            changes: components["schemas"]["maintenance.Change"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /** @description Alerts that fire. */
        "console.AlertFigures": {
            /**
             * Format: int64
             * @description Somebody should look now.
             */
            critical: number;
            /**
             * Format: int64
             * @description Worth knowing.
             */
            info: number;
            /**
             * Format: int64
             * @description Somebody should look during the day.
             */
            warning: number;
        };
        /** @description Alerts. */
        "console.Alerts": {
            /** @description The newest first. */
            alerts: components["schemas"]["monitor.Alert"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /** @description A statement, and how it is to be explained. */
        "console.Analyze": {
            /** @description Whether it may be run although it writes or locks. It is rolled back even so. */
            allow_writes?: boolean;
            /** @description Whether it is run, to measure rows, times and buffers. Whatever that changes is rolled back. */
            analyze?: boolean;
            /** @description The database; the configured one if nothing is said. */
            database?: string | null;
            /**
             * @description Values for its `$n`, in order; none at all: the generic plan, for any values. A list becomes an array, an object
             *     becomes jsonb, and a number or a text becomes what stands in its place.
             */
            params?: unknown[];
            /** @description Settings for this statement alone: `search_path`, and those of the planner. */
            settings?: {
                [key: string]: string;
            };
            /** @description The statement: exactly one that EXPLAIN takes, without EXPLAIN in front of it. */
            sql: string;
            /**
             * Format: int32
             * @description Longest time for it, in milliseconds; 0 or more than `monitor.explain_timeout`: that.
             */
            timeout_ms?: number;
        };
        /** @description Entries of the audit. */
        "console.Audit": {
            /** @description The latest first. */
            entries: components["schemas"]["console.AuditEntry"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /** @description An entry as it is shown. */
        "console.AuditEntry": {
            /** @description What was asked: the method and the pattern of the path. */
            action: string;
            /** @description Who asked: the name of the token. */
            actor: string;
            /**
             * Format: int64
             * @description When it was asked.
             */
            at_unix_ms: number;
            /**
             * Format: int64
             * @description Identifies it; later entries have greater numbers.
             */
            id: number;
            /** @description The project of the token; null: the operator. */
            project?: string | null;
            /** @description Where from. */
            remote: string;
            /**
             * Format: int32
             * @description What was answered; null: the process ended before it answered.
             */
            status?: number | null;
            /** @description The path as it was. */
            target: string;
            /**
             * Format: uuid
             * @description The token; null: none was needed.
             */
            token?: string | null;
        };
        /** @description What to say about a backup. What is left out stays. */
        "console.BackupRemark": {
            /** @description Whether retention must leave it alone. */
            keep?: boolean | null;
            /** @description A note for people; an empty one removes it. */
            note?: string | null;
        };
        /** @description How backups stand. */
        "console.BackupStatus": {
            /** @description Whether backups can be taken: they are switched on, and there is somewhere to keep them. */
            enabled: boolean;
            /**
             * Format: int64
             * @description Milliseconds of commits that would be lost if the server were gone now; null: the log does not come in.
             */
            exposure_ms?: number | null;
            /** @description The last of each kind, the newest first. */
            last_backups: components["schemas"]["backup.Backup"][];
            /** @description The last proofs, the newest first; at most five. */
            last_proofs: components["schemas"]["backup.ProofSummary"][];
            /** @description What could not be found out, a sentence each; none: all of this is known. */
            missing: string[];
            /** @description Where they are kept. */
            repositories: components["schemas"]["backup.Repository"][];
            /** @description Jobs under way. */
            running: components["schemas"]["console.Job"][];
            /** @description How the log of each cluster gets there. */
            wal: components["schemas"]["backup.WalState"][];
            /** @description The spans of time to which one can restore, in order; more than one: log is missing between them. */
            windows: components["schemas"]["backup.RecoveryWindow"][];
        };
        /** @description Backups. */
        "console.Backups": {
            /** @description The newest first. */
            backups: components["schemas"]["backup.Backup"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /** @description Backups, in short. 0 for a time: there is none. */
        "console.BackupsAtAGlance": {
            /** @description Backups and proofs that failed in the last seven days. */
            failed_lately: number;
            /**
             * Format: int64
             * @description When one was last restored and found good.
             */
            last_proof_unix_ms: number;
            /**
             * Format: int64
             * @description When the latest backup of a whole cluster was complete.
             */
            last_success_unix_ms: number;
            /**
             * Format: int64
             * @description The earliest moment that can be restored without a gap up to the latest.
             */
            recoverable_from_unix_ms: number;
            /**
             * Format: int64
             * @description The latest moment that can be restored.
             */
            recoverable_until_unix_ms: number;
            /** @description Backups, proofs and exports that run. */
            running: number;
            /**
             * Format: int64
             * @description Bytes of log that are not safe yet; null: the log is not kept.
             */
            wal_lag_bytes?: number | null;
        };
        /**
         * @description What a breaker lets through.
         * @enum {string}
         */
        "console.Breaker": "closed" | "open" | "half_open" | "unspecified";
        /** @description Breakers. */
        "console.Breakers": {
            /** @description One for each server, by name. */
            upstreams: components["schemas"]["console.UpstreamBreaker"][];
        };
        /** @description The cache, in short. */
        "console.CacheAtAGlance": {
            /**
             * Format: int64
             * @description Bytes that they take.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Results in memory.
             */
            entries: number;
            /** @description Databases whose log is followed; 0 for a token of a project. */
            followers: number;
            /** @description Those of them that are behind or cannot be followed. */
            followers_behind: number;
            /**
             * Format: double
             * @description The part of look-ups that memory answered in the last hour, 0 to 1; null: there were none.
             */
            hit_ratio?: number | null;
            /**
             * Format: double
             * @description 99 of 100 commits were told within so long, of the slowest database; null for a token of a project, and where none is followed.
             */
            lag_p99_ms?: number | null;
            /**
             * Format: double
             * @description Look-ups in a second, over the last hour.
             */
            lookups_per_second: number;
            /**
             * Format: double
             * @description Milliseconds of PostgreSQL's work that were saved in each second, as measured of late.
             */
            saved_ms_per_second: number;
        };
        /**
         * @description How fresh a cached answer must be.
         * @enum {string}
         */
        "console.CacheConsistency": "unspecified" | "strict" | "session" | "bounded" | "ttl";
        /** @description A statement to explain. */
        "console.CacheExplain": {
            /** @description The database; the server's default one if nothing is said. */
            database?: string;
            /** @description PostgreSQL's names of the parameters' types, the first for `$1`. */
            parameter_types?: string[];
            /** @description The role it would run as. */
            role?: string;
            /** @description The schemas searched, in order; the role's own if nothing is said. */
            search_path?: string[];
            /** @description One SQL statement, with `$1`, `$2`, … where parameters stand. */
            sql: string;
        };
        /** @description Databases whose log is followed. */
        "console.CacheFollowers": {
            /** @description By server and name. */
            followers: components["schemas"]["cache.Follower"][];
        };
        /**
         * @description Whether results are cached.
         * @enum {string}
         */
        "console.CacheMode": "auto" | "always" | "never" | "dry_run";
        /** @description Rules. */
        "console.CachePolicies": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description Those that apply first at the head. */
            policies: components["schemas"]["cache.Policy"][];
        };
        /** @description Shapes of statement as the cache sees them. */
        "console.CacheShapes": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description The greatest benefit first. */
            shapes: components["schemas"]["cache.Shape"][];
        };
        /** @description A client of the PostgreSQL door. */
        "console.Client": {
            /** @description Where from. */
            address: string;
            /** @description The name of its program; may be empty. */
            application: string;
            /** @description Its database. */
            database: string;
            /**
             * Format: int64
             * @description Identifies it, until it leaves.
             */
            id: number;
            /** @description How connections are shared: `session`, `transaction` or `statement`. */
            mode: string;
            /** @description Its project. */
            project: string;
            /** @description Its role. */
            role: string;
            /**
             * Format: int64
             * @description The connection that it has; null: none.
             */
            server?: number | null;
            /** @description `idle`, `waiting`, `active` or `idle in transaction`. */
            state: string;
            /**
             * Format: int64
             * @description For how long.
             */
            state_ms: number;
        };
        /** @description Commits in the archived log. */
        "console.Commits": {
            /** @description The latest first. A page may be short and have a next one. */
            commits: components["schemas"]["backup.Commit"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /** @description Every setting that can be known here. */
        "console.Configuration": {
            /** @description The settings file of the console; null: it has none. */
            file?: string | null;
            /** @description Sections that are not listed, and why. */
            missing: components["schemas"]["console.MissingSection"][];
            /** @description The active profile of the console. */
            profile: string;
            /** @description By section, in the order of the reference. */
            settings: components["schemas"]["console.SettingNow"][];
        };
        /** @description Who is connected, and on what. */
        "console.Connections": {
            /** @description Clients by id. */
            clients: components["schemas"]["console.Client"][];
            /** @description Clients in all. */
            clients_total: number;
            /** @description How to go on with the clients; null: this page was the last. */
            next?: string | null;
            /** @description Connections to PostgreSQL, on the first page only. */
            servers: components["schemas"]["console.ServerConnection"][];
            /** @description Connections to PostgreSQL in all. */
            servers_total: number;
        };
        /** @description What the overview shows. */
        "console.Dashboard": {
            /** @description Alerts that fire, the worst first, at most ten. */
            alerts: components["schemas"]["monitor.Alert"][];
            /** @description How many fire in all. */
            alerts_firing: number;
            /**
             * Format: int64
             * @description When it was put together.
             */
            at_unix_ms: number;
            backups?: components["schemas"]["console.BackupsAtAGlance"] | null;
            cache?: components["schemas"]["console.CacheAtAGlance"] | null;
            figures?: components["schemas"]["console.Figures"] | null;
            /** @description How healthy everything is. */
            health: components["schemas"]["console.HealthAtAGlance"];
            /** @description The last hour in order of time; spans in which nothing ran are left out. */
            history: components["schemas"]["console.DashboardPoint"][];
            /** @description Jobs: those that run or wait first, then the latest that ended, at most eight. */
            jobs: components["schemas"]["scheduler.Run"][];
            /** @description What could not be asked, a sentence each; none: this is complete. */
            missing: string[];
            /** @description Every pool; none for a token of a project. */
            pools: components["schemas"]["console.PoolNow"][];
            /** @description Whose figures these are; `*`: everybody's. */
            project: string;
            /** @description The five shapes of statement that took most time in the last hour. */
            queries: components["schemas"]["monitor.QueryStatistics"][];
        };
        /** @description A point of the last hour. */
        "console.DashboardPoint": {
            /**
             * Format: int64
             * @description When its span ended.
             */
            at_unix_ms: number;
            /**
             * Format: double
             * @description The part of look-ups that memory answered, 0 to 1; null: there were none.
             */
            cache_hit_ratio?: number | null;
            /**
             * Format: double
             * @description Statements in a second that failed.
             */
            errors_per_second: number;
            /**
             * Format: double
             * @description Half of them took at most so long; null: nothing ran.
             */
            p50_ms?: number | null;
            /**
             * Format: double
             * @description 95 of 100 took at most so long; null: nothing ran.
             */
            p95_ms?: number | null;
            /**
             * Format: double
             * @description 99 of 100 took at most so long; null: nothing ran.
             */
            p99_ms?: number | null;
            /**
             * Format: int32
             * @description Connections in use at its end; null for a token of a project, and where it is not known.
             */
            pool_active?: number | null;
            /**
             * Format: int32
             * @description Callers that waited for one at its end; null as with the one before.
             */
            pool_waiting?: number | null;
            /**
             * Format: double
             * @description Statements in a second.
             */
            queries_per_second: number;
        };
        /** @description What is done in one database. */
        "console.DatabaseLately": {
            /**
             * Format: int64
             * @description Bytes from clients in a second.
             */
            bytes_in_per_second: number;
            /**
             * Format: int64
             * @description Bytes to clients in a second.
             */
            bytes_out_per_second: number;
            /** @description The database. */
            database: string;
            /**
             * Format: double
             * @description How long a statement takes at the server.
             */
            statement_ms: number;
            /**
             * Format: int64
             * @description Statements in a second.
             */
            statements_per_second: number;
            /**
             * Format: double
             * @description How long a transaction takes.
             */
            transaction_ms: number;
            /**
             * Format: int64
             * @description Transactions in a second.
             */
            transactions_per_second: number;
            /**
             * Format: double
             * @description How long a transaction waits for its connection.
             */
            wait_ms: number;
        };
        /**
         * @description A day of the week.
         * @enum {string}
         */
        "console.Day": "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday";
        /** @description An extension that Weir can make use of. */
        "console.ExtensionFound": {
            /** @description Whether the server has its files; null: that could not be asked. */
            available?: boolean | null;
            /** @description The version that is installed in the default database; null: it is not. */
            installed_version?: string | null;
            /** @description Its name. */
            name: string;
            /** @description What Weir uses it for. */
            purpose: string;
            /** @description What installs it; null: it is there, or its files are not. */
            suggestion?: string | null;
        };
        /** @description What runs at a moment, of one project or of all; what could not be found out is null. */
        "console.Figures": {
            alerts?: components["schemas"]["console.AlertFigures"] | null;
            /**
             * Format: int64
             * @description When they were taken.
             */
            at_unix_ms: number;
            /**
             * Format: double
             * @description Calls answered from memory, of those that could have been; null: there were none.
             */
            cache_hit_ratio?: number | null;
            /**
             * Format: double
             * @description Those of them that failed.
             */
            errors_per_second?: number | null;
            /**
             * Format: int64
             * @description Jobs that are being done.
             */
            jobs_running?: number | null;
            /**
             * Format: double
             * @description Half of the calls of the latest ten seconds took at most this many milliseconds; null: nothing ran.
             */
            p50_ms?: number | null;
            /**
             * Format: double
             * @description 95 of 100 took at most this many.
             */
            p95_ms?: number | null;
            /**
             * Format: double
             * @description 99 of 100 took at most this many.
             */
            p99_ms?: number | null;
            pool?: components["schemas"]["console.PoolSums"] | null;
            /** @description Whose they are; `*`: everybody's. */
            project: string;
            /**
             * Format: double
             * @description Statements that ended, a second.
             */
            queries_per_second?: number | null;
        };
        /** @description The firewall. */
        "console.Firewall": {
            /** @description Whether the shapes are in the gateway's store at present, where they outlive its process and reach other gateways. */
            kept: boolean;
            /** @description Modes that operators set, those for everybody too. */
            modes: components["schemas"]["gateway.FirewallModeSet"][];
            /** @description How to go on with the scopes; null: this page was the last. */
            next?: string | null;
            /** @description Why they are not; empty: they are. */
            reason: string;
            /** @description What it does for each user of a database, and did since `since_unix_ms`. */
            scopes: components["schemas"]["gateway.FirewallScopeStatus"][];
            /**
             * Format: int64
             * @description When the gateway began to count.
             */
            since_unix_ms: number;
        };
        /** @description Shapes to let through. Either some by name, or all that wait. */
        "console.FirewallApproval": {
            /** @description All that wait. */
            all_queued?: boolean;
            /** @description On which database. */
            database: string;
            /** @description The shapes, by the ids that the list has; at most 1000. */
            ids?: string[];
            /** @description Of which role. */
            user: string;
        };
        /** @description The firewall in short, over every user of every database. */
        "console.FirewallAtAGlance": {
            /**
             * Format: int64
             * @description Shapes that a person approved.
             */
            approved: number;
            /**
             * Format: int64
             * @description Of them: refused.
             */
            blocked: number;
            /**
             * Format: int64
             * @description For whom it refuses.
             */
            enforce: number;
            /** @description Whether the shapes are in the gateway's store at present. */
            kept: boolean;
            /**
             * Format: int64
             * @description For whom it learns.
             */
            learn: number;
            /**
             * Format: int64
             * @description Shapes of statement that were learned.
             */
            learned: number;
            /**
             * Format: int64
             * @description For whom it tells and lets through.
             */
            monitor: number;
            /**
             * Format: int64
             * @description Users of databases for whom it does nothing.
             */
            off: number;
            /**
             * Format: int64
             * @description Shapes that wait for a person.
             */
            queued: number;
            /**
             * Format: int64
             * @description Those of them for whom another mode is set than holds, such as where enforcing was given up by itself.
             */
            relaxed: number;
            /**
             * Format: int64
             * @description When the gateway began to count.
             */
            since_unix_ms: number;
            /**
             * Format: int64
             * @description Statements judged since `since_unix_ms`.
             */
            statements: number;
            /**
             * Format: int64
             * @description Of them: would have been refused, or were, had the mode been `enforce` for everybody all along.
             */
            would_block: number;
        };
        /** @description Shapes to forget. Either some by name, or all in a state. */
        "console.FirewallForgetting": {
            all_in_state?: components["schemas"]["console.FirewallShapeState"] | null;
            /** @description On which database. */
            database: string;
            /** @description The shapes, by the ids that the list has; at most 1000. */
            ids?: string[];
            /** @description Of which role. */
            user: string;
        };
        /** @description For whom a mode is. */
        "console.FirewallModeFor": {
            /** @description Only on this database; on every one if nothing is said. */
            database?: string;
            /** @description Only for this role; for every one if nothing is said. */
            user?: string;
        };
        /**
         * @description What is thought of a shape.
         * @enum {string}
         */
        "console.FirewallShapeState": "queued" | "learned" | "approved";
        /** @description Shapes of statement as the firewall has them. */
        "console.FirewallShapes": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description Those that were seen last come first. */
            shapes: components["schemas"]["gateway.FirewallShape"][];
        };
        /** @description How many shapes something was done to. */
        "console.FirewallShapesDone": {
            /**
             * Format: int64
             * @description How many. Those that are not in the list are passed over.
             */
            shapes: number;
        };
        /** @description How healthy everything is. */
        "console.Health": {
            /** @description Connectivity, performance, schema. */
            aspects: components["schemas"]["console.HealthPart"][];
            /**
             * Format: int64
             * @description When everything was looked at last.
             */
            at_unix_ms: number;
            /** @description What services need or use: the store, the bus, upstreams, pools, repositories. */
            dependencies: components["schemas"]["console.HealthPart"][];
            /** @description Each service. */
            services: components["schemas"]["console.HealthPart"][];
            /**
             * Format: int64
             * @description Since when it is so.
             */
            since_unix_ms: number;
            /** @description The whole: degraded is not down. */
            status: components["schemas"]["console.HealthStatus"];
            /** @description The same in a sentence. */
            summary: string;
            /** @description Where it is going, by the last hour. */
            trend: components["schemas"]["console.HealthTrends"];
        };
        /** @description How healthy everything is, in short. */
        "console.HealthAtAGlance": {
            /** @description Every part. For a token of a project without what concerns the server alone. */
            parts: components["schemas"]["console.PartAtAGlance"][];
            /**
             * Format: int64
             * @description Since when it is so.
             */
            since_unix_ms: number;
            /** @description The whole: degraded is not down. */
            state: components["schemas"]["console.Light"];
            /** @description The same in a sentence. */
            summary: string;
        };
        /** @description A change as it is shown. */
        "console.HealthChange": {
            /**
             * Format: int64
             * @description When it changed.
             */
            at_unix_ms: number;
            /**
             * Format: int64
             * @description Identifies it.
             */
            id: number;
            /** @description `aspect`, `service`, `dependency` or `whole`. */
            kind: string;
            /**
             * Format: double
             * @description How long its answer took then; null: it gave none, or was not asked itself.
             */
            latency_ms?: number | null;
            /** @description What: `database` is the whole. */
            part: string;
            /** @description How it fared before. */
            previous: string;
            /** @description Why; may be empty. */
            reason: string;
            /** @description How it fared from then on: `up`, `degraded`, `down` or `unknown`. */
            state: string;
        };
        /** @description How healthy everything was. */
        "console.HealthHistory": {
            /** @description What changed, the latest first. */
            changes: components["schemas"]["console.HealthChange"][];
            /** @description How to go on with the changes; null: this page was the last. */
            next?: string | null;
            /** @description How it was minute by minute in order of time; of a long time, each so many minutes. */
            samples: components["schemas"]["console.HealthSample"][];
            /** @description Where it went in that time. */
            trend: components["schemas"]["console.HealthTrends"];
        };
        /**
         * @description What sort of part something is.
         * @enum {string}
         */
        "console.HealthKind": "aspect" | "service" | "dependency" | "whole";
        /** @description One part, as it is known now. */
        "console.HealthPart": {
            /** @description What sort of part it is. */
            kind: components["schemas"]["console.HealthKind"];
            /**
             * Format: double
             * @description How long its last answer took; null: it was not asked itself, or did not answer.
             */
            latency_ms?: number | null;
            /** @description Its name, such as `connectivity`, `cache` or `bus`. */
            name: string;
            /** @description Why it is not up, or what is to be known beside that; may be empty. */
            reason: string;
            /**
             * Format: int64
             * @description Since when it fares so.
             */
            since_unix_ms: number;
            /** @description How it fares. */
            state: components["schemas"]["console.HealthState"];
        };
        /** @description How it was in one minute. */
        "console.HealthSample": {
            /**
             * Format: double
             * @description How long a statement took through the gateway; null: none was answered.
             */
            connect_ms?: number | null;
            /**
             * Format: double
             * @description The part of them that failed, 0 to 1; null: none ran.
             */
            error_ratio?: number | null;
            /**
             * Format: int64
             * @description When the minute began.
             */
            minute_unix_ms: number;
            /**
             * Format: int32
             * @description Parts that were degraded or down.
             */
            not_up: number;
            /**
             * Format: double
             * @description 95 of 100 took at most so long; null: none ran.
             */
            p95_ms?: number | null;
            /**
             * Format: double
             * @description Statements in a second; null: nothing is known.
             */
            queries_per_second?: number | null;
            /** @description How the whole fared: `up`, `degraded`, `down` or `unknown`. */
            state: string;
        };
        /**
         * @description How a part fares.
         * @enum {string}
         */
        "console.HealthState": "up" | "degraded" | "down" | "unknown";
        /**
         * @description How the whole fares.
         * @enum {string}
         */
        "console.HealthStatus": "healthy" | "degraded" | "down" | "unknown";
        /** @description Where health is going. */
        "console.HealthTrends": {
            /** @description The worst of them. */
            direction: components["schemas"]["console.TrendDirection"];
            /** @description Each figure. Empty: the record cannot be read now. */
            figures: components["schemas"]["console.Trend"][];
        };
        /** @description What was found, and what was done. */
        "console.Initialized": {
            /** @description Whether everything is in its place. */
            complete: boolean;
            /** @description Extensions that are of use. None is needed. */
            extensions: components["schemas"]["console.ExtensionFound"][];
            /** @description What could not be asked, a sentence each. */
            missing: string[];
            /** @description Each schema of Weir's own. */
            schemas: components["schemas"]["console.SchemaFound"][];
        };
        /** @description What to make invalid. Exactly one of the last four is said. */
        "console.Invalidation": {
            /** @description Only in this database. */
            database?: string;
            /** @description Every result of the databases meant, of whatever project. */
            everything?: boolean;
            /** @description Results of one shape: 16 hexadecimal digits. */
            fingerprint?: string | null;
            /** @description With `table`: only results that depend on this key, its columns with their values. */
            key?: {
                [key: string]: unknown;
            };
            /** @description Every result of the project. What a token of a project may order. */
            project_results?: boolean;
            /** @description Results that depend on this table, as `schema.name`. */
            table?: string | null;
            /** @description Only in databases of this server. */
            upstream?: string;
        };
        /** @description One piece of work, whoever does it. */
        "console.Job": {
            /**
             * Format: int32
             * @description Attempts begun so far.
             */
            attempt: number;
            /** @description It only plans and changes nothing. */
            dry_run: boolean;
            /** @description What it changed, with the state before and after; null until it has succeeded. */
            effect: unknown;
            /**
             * Format: int64
             * @description When it ended. 0: it has not.
             */
            ended_unix_ms: number;
            error?: components["schemas"]["console.JobError"] | null;
            /** @description Identifies it: a UUID. What a backup or a proof makes has the same id. */
            id: string;
            /** @description What is done, such as `vacuum` or `backup`. */
            operation: string;
            /** @description No window was open: only what cannot wait is done. */
            outside_window: boolean;
            /** @description What it was told: an object. */
            parameters: unknown;
            /** @description What was planned; null where no plan is told. */
            plan: unknown;
            progress?: components["schemas"]["console.JobProgress"] | null;
            /** @description On whose behalf. */
            project: string;
            /** @description Who asked for it: `operator`, `schedule …`; empty where the worker asked itself. */
            requested_by: string;
            /**
             * Format: int64
             * @description When it was asked for.
             */
            requested_unix_ms: number;
            /** @description The schedule that asked for it; empty: a person did. */
            schedule_id: string;
            service?: components["schemas"]["console.Worker"] | null;
            /**
             * Format: int64
             * @description When it was first begun. 0: it was not.
             */
            started_unix_ms: number;
            /** @description Where it stands. */
            state: components["schemas"]["common.JobState"];
            /**
             * Format: int64
             * @description When its maintenance window ends; what is not done by then is left. 0: it has no such end.
             */
            window_ends_unix_ms: number;
        };
        /** @description Why an attempt failed. */
        "console.JobError": {
            /** @description The name of the error, as problems have it. */
            slug: string;
            /** @description What went wrong: one line. */
            text: string;
        };
        /** @description How far a job is. */
        "console.JobProgress": {
            /**
             * Format: int64
             * @description The rate of the last ten seconds; null where it moves no bytes.
             */
            bytes_per_second?: number | null;
            /**
             * Format: int64
             * @description Units done so far: bytes where it moves bytes, else relations.
             */
            done: number;
            /** @description What is being done now. */
            note: string;
            /**
             * Format: int64
             * @description How long it will still take at that rate; null: not known.
             */
            remaining_ms?: number | null;
            /**
             * Format: int64
             * @description Units in all. 0: not known yet.
             */
            total: number;
        };
        /** @description Jobs. */
        "console.Jobs": {
            /** @description The newest first. A page may be short and have a next one. */
            jobs: components["schemas"]["console.Job"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /**
         * @description A state as it is shown.
         * @enum {string}
         */
        "console.Light": "ok" | "degraded" | "down" | "unknown";
        /** @description A token that was made. */
        "console.MadeToken": {
            /** @description What to send as `Authorization: Bearer …`. It is told this once. */
            secret: string;
            /** @description What is known of it from now on. */
            token: components["schemas"]["console.Token"];
        };
        /** @description What maintenance is answered with. */
        "console.MaintenanceAnswer": components["schemas"]["console.MaintenancePlan"] | components["schemas"]["console.Job"];
        /**
         * @description What can be ordered.
         * @enum {string}
         */
        "console.MaintenanceOperation": "auto" | "sweep" | "freeze" | "vacuum" | "analyze" | "reindex" | "reorganize" | "verify";
        /** @description Maintenance to be done. */
        "console.MaintenanceOrder": {
            /** @description Only plan, and change nothing: the plan is the answer. */
            dry_run?: boolean;
            /** @description Do it even if no maintenance window is open, and without regard to the end of one. */
            force_window?: boolean;
            /** @description Only this index; null: all. */
            index?: string | null;
            /** @description What to do; `auto` if nothing is said. */
            operation?: components["schemas"]["console.MaintenanceOperation"];
            /** @description Only this table, as `schema.name`, with `*` for any characters; null: all. */
            table?: string | null;
            /** @description Answer when it has ended, an hour later at most. */
            wait?: boolean;
        };
        /** @description What an operation would do now. */
        "console.MaintenancePlan": {
            /** @description The operation. */
            operation: components["schemas"]["console.MaintenanceOperation"];
            /** @description Every relation looked at and each kind of work, those selected first, in the order in which they would be done. */
            plan: components["schemas"]["maintenance.Candidate"][];
            /** @description Whose tables were looked at. */
            project: string;
        };
        /** @description How maintenance stands. */
        "console.MaintenanceStatus": {
            /** @description Runs that have ended, the newest first. */
            last: components["schemas"]["console.Job"][];
            /** @description Runs under way, and those that wait for their turn. */
            running: components["schemas"]["console.Job"][];
            windows?: components["schemas"]["scheduler.ListWindowsResponse"] | null;
            /** @description How far wraparound is, for each database that was seen. */
            wraparound: components["schemas"]["console.WraparoundGlance"][];
        };
        /**
         * @description What becomes of missed times.
         * @enum {string}
         */
        "console.Misfire": "skip" | "run_once";
        /** @description A section that is not listed. */
        "console.MissingSection": {
            /** @description Why. */
            reason: string;
            /** @description Its name. */
            section: string;
        };
        /** @description A statement that is going to be sent. */
        "console.NewFirewallShape": {
            /** @description On which database. */
            database: string;
            /** @description The statement. Its literals do not matter and are not kept. */
            sql: string;
            /** @description By which role. */
            user: string;
        };
        /** @description A rule to put. One about the same subject is replaced. */
        "console.NewPolicy": {
            /**
             * Format: int32
             * @description For `bounded`: greatest age.
             */
            bound_ms?: number;
            consistency?: components["schemas"]["console.CacheConsistency"] | null;
            /**
             * Format: int64
             * @description For a whole project: most bytes it may hold in one gateway's memory. 0: the server's setting.
             */
            memory_bytes_max?: number;
            mode?: components["schemas"]["console.CacheMode"] | null;
            /**
             * Format: int32
             * @description How long an empty result lives at most. 0: like any other.
             */
            negative_ttl_ms?: number;
            /** @description Why the rule is there. */
            note?: string;
            /**
             * Format: int64
             * @description Larger results are not cached. 0: the server's setting.
             */
            result_bytes_max?: number;
            /** @description What it applies to. */
            subject: components["schemas"]["console.NewPolicySubject"];
            /**
             * Format: int32
             * @description How long a result lives; for `ttl` it has to be said.
             */
            ttl_ms?: number;
        };
        /** @description What a rule applies to. */
        "console.NewPolicySubject": {
            /** @description One shape: 16 hexadecimal digits. */
            fingerprint: string;
        } | {
            /** @description Every statement that reads this table, as `schema.name`. */
            relation: string;
        } | {
            /** @description Every statement of the project. */
            whole_project: components["schemas"]["console.Nothing"];
        };
        /** @description What is said of a rule, in place of what was put of it before; what is not said stays as the file or Weir has it. */
        "console.NewRule": {
            /**
             * Format: double
             * @description From where on somebody should look now.
             */
            critical?: number | null;
            /**
             * Format: double
             * @description Up to where that goes on.
             */
            critical_clear?: number | null;
            direction?: components["schemas"]["console.RuleDirection"] | null;
            /** @description Whether it is judged. */
            enabled?: boolean | null;
            /**
             * Format: int64
             * @description How long the condition has to hold.
             */
            for_ms?: number | null;
            /**
             * Format: double
             * @description From where on it is worth knowing.
             */
            info?: number | null;
            /**
             * Format: double
             * @description Up to where that goes on.
             */
            info_clear?: number | null;
            /** @description Rules whose alerts about the same thing are not told while one of this fires. */
            inhibits?: string[];
            /**
             * Format: int64
             * @description How long an alert goes on after its condition has ceased.
             */
            keep_firing_for_ms?: number | null;
            /**
             * @description What the labels of a reading have to look like: `*` stands for any part, `|` separates alternatives, `!` in front
             *     means none of them.
             */
            labels?: {
                [key: string]: string;
            };
            /** @description The figure that it looks at, such as `query.p95_ms`. */
            metric?: string | null;
            /** @description Its name: 1 to 63 of `a-z`, `0-9` and `-`. */
            name: string;
            /** @description Only for this project; null: for all. */
            project?: string | null;
            /** @description Where to read what to do. */
            runbook?: string | null;
            severity?: components["schemas"]["console.RuleSeverity"] | null;
            /** @description The sentence of its alerts, with `{value}`, `{threshold}`, `{project}`, `{note}`, `{fingerprint}` and labels in braces. */
            summary?: string | null;
            /**
             * Format: double
             * @description From where on somebody should look during the day.
             */
            warning?: number | null;
            /**
             * Format: double
             * @description Up to where that goes on.
             */
            warning_clear?: number | null;
            /**
             * Format: int64
             * @description For how long its figure remembers what has passed.
             */
            window_ms?: number | null;
        };
        /** @description A silence that is to begin. */
        "console.NewSilence": {
            /** @description Why. */
            comment?: string;
            /**
             * Format: int64
             * @description When it ends; within a year.
             */
            ends_unix_ms: number;
            /**
             * @description What fits: `rule`, `project`, `severity`, `fingerprint` or a label, with a pattern as in the labels of a rule. All
             *     have to fit. By a token of a project, `project` is always its own.
             */
            matchers: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description When it begins, in milliseconds since 1970; null: now.
             */
            starts_unix_ms?: number | null;
        };
        /** @description What a new token is to allow. */
        "console.NewToken": {
            /**
             * Format: int64
             * @description When it ends, in milliseconds since 1970; null: when it is revoked.
             */
            expires_unix_ms?: number | null;
            /** @description What people call it. */
            name: string;
            /** @description Whose data it sees; null: everything. */
            project?: string | null;
            role?: components["schemas"]["Role"] | null;
        };
        /** @description An empty object. */
        "console.Nothing": Record<string, never>;
        /** @description The system as a whole. */
        "console.Overview": {
            backups?: components["schemas"]["console.BackupsAtAGlance"] | null;
            /**
             * Format: double
             * @description The part of them that failed, 0 to 1; null: none ran.
             */
            error_ratio?: number | null;
            /** @description What could not be asked, a sentence each. */
            missing: string[];
            /** @description Every part that is not up. */
            not_up: components["schemas"]["console.HealthPart"][];
            pool?: components["schemas"]["console.PoolSums"] | null;
            /** @description The profile of the settings. */
            profile: string;
            /**
             * Format: double
             * @description Statements in a second over the last minute; null: not known yet.
             */
            queries_per_second?: number | null;
            /** @description Services in all. */
            services_total: number;
            /** @description Services that are up. */
            services_up: number;
            /**
             * Format: int64
             * @description Since when.
             */
            since_unix_ms: number;
            /** @description How healthy it is. */
            status: components["schemas"]["console.HealthStatus"];
            /** @description The same in a sentence. */
            summary: string;
            /** @description The version of the console. */
            version: string;
        };
        /** @description A part of the system, in short. */
        "console.PartAtAGlance": {
            /** @description What sort of part it is. */
            kind: components["schemas"]["console.HealthKind"];
            /**
             * Format: double
             * @description How long its last answer took; null: it was not asked itself, or did not answer.
             */
            latency_ms?: number | null;
            /** @description Its name. */
            name: string;
            /** @description Why it is not ok, or what is to be known beside that; may be empty. */
            note: string;
            /**
             * Format: int64
             * @description Since when.
             */
            since_unix_ms: number;
            /** @description How it fares. */
            state: components["schemas"]["console.Light"];
        };
        /** @description How statements fared. */
        "console.PerformanceMetrics": {
            /**
             * Format: int64
             * @description When this was put together.
             */
            at_unix_ms: number;
            cache?: components["schemas"]["cache.Statistics"] | null;
            hour?: components["schemas"]["console.PerformanceSums"] | null;
            minute?: components["schemas"]["console.PerformanceSums"] | null;
            /** @description What could not be asked, a sentence each. */
            missing: string[];
            /** @description The hour span by span, in order of time. */
            points: components["schemas"]["console.DashboardPoint"][];
            /** @description Whose statements; `*`: everybody's. */
            project: string;
            /** @description Where the 95 of 100 and the errors are going. */
            trends: components["schemas"]["console.Trend"][];
        };
        /** @description What ran in a span of time. */
        "console.PerformanceSums": {
            /**
             * Format: double
             * @description The part of look-ups that memory answered, 0 to 1; null: there were none.
             */
            cache_hit_ratio?: number | null;
            /**
             * Format: double
             * @description Statements that ended.
             */
            calls: number;
            /**
             * Format: double
             * @description The part that failed, 0 to 1; null: nothing ran.
             */
            error_ratio?: number | null;
            /**
             * Format: double
             * @description Those that failed.
             */
            errors: number;
            /**
             * Format: double
             * @description Half took at most this: the mean of the spans' own, each counted by its calls; null: nothing ran.
             */
            p50_ms?: number | null;
            /**
             * Format: double
             * @description 95 of 100 took at most this, as the one before.
             */
            p95_ms?: number | null;
            /**
             * Format: double
             * @description 99 of 100 took at most this, as the one before.
             */
            p99_ms?: number | null;
            /**
             * Format: double
             * @description Statements in a second.
             */
            queries_per_second: number;
        };
        /** @description Pieces of work. */
        "console.Pieces": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description The latest first. */
            pieces: components["schemas"]["maintenance.Piece"][];
        };
        /** @description Captured plans. */
        "console.Plans": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description The latest first; at most 50 on a page. */
            plans: components["schemas"]["monitor.CapturedPlan"][];
        };
        /** @description What was done on pooled connections. */
        "console.PoolMetrics": {
            /** @description By database, on average over the last minute. */
            lately: components["schemas"]["console.DatabaseLately"][];
            /** @description By database and role. */
            pools: components["schemas"]["console.PoolUse"][];
        };
        /** @description A pool with what may hold it up. */
        "console.PoolNow": {
            /** @description The breaker of its server. */
            breaker: components["schemas"]["console.Breaker"];
            /** @description Whether it hands out no connection at present; null: the gateway does not say. */
            paused?: boolean | null;
            /** @description The pool. */
            pool: components["schemas"]["common.Pool"];
        };
        /** @description Server connections of all pools together. */
        "console.PoolSums": {
            /**
             * Format: int64
             * @description Lent out.
             */
            active: number;
            /**
             * Format: int64
             * @description Open and free.
             */
            idle: number;
            /**
             * Format: int64
             * @description Most that may be open.
             */
            max: number;
            /**
             * Format: int64
             * @description Open.
             */
            total: number;
            /**
             * Format: int64
             * @description Callers who wait for one.
             */
            waiting: number;
        };
        /** @description What was done in one pool since the gateway was started. */
        "console.PoolUse": {
            /**
             * Format: int64
             * @description Connections lent out.
             */
            active: number;
            /**
             * Format: int64
             * @description Bytes that came from clients.
             */
            bytes_in_total: number;
            /**
             * Format: int64
             * @description Bytes that went to them.
             */
            bytes_out_total: number;
            /**
             * Format: int64
             * @description Clients of the PostgreSQL door that have a connection.
             */
            clients_active: number;
            /**
             * Format: int64
             * @description Connections closed.
             */
            closed_total: number;
            /** @description The database. */
            database: string;
            /**
             * Format: int64
             * @description Connections open and free.
             */
            idle: number;
            /**
             * Format: double
             * @description How long the caller has waited who waits longest.
             */
            longest_wait_ms: number;
            /**
             * Format: int64
             * @description Most connections that it may have.
             */
            max: number;
            /** @description How connections are shared: `session`, `transaction` or `statement`. */
            mode: string;
            /**
             * Format: int64
             * @description Connections opened.
             */
            opened_total: number;
            /** @description Why callers wait; empty: nobody does. */
            reason: string;
            /** @description The role. */
            role: string;
            /**
             * Format: int64
             * @description Statements.
             */
            statements_total: number;
            /**
             * Format: int64
             * @description Transactions.
             */
            transactions_total: number;
            /**
             * Format: double
             * @description Connections lent out as a part of the most, 0 to 1.
             */
            utilization: number;
            /**
             * Format: double
             * @description The time that callers waited for connections, all told.
             */
            wait_ms_total: number;
            /**
             * Format: int64
             * @description Callers that wait for one.
             */
            waiting: number;
        };
        /** @description Every pool of the gateway. */
        "console.Pools": {
            /** @description By upstream, database and role. */
            pools: components["schemas"]["console.PoolNow"][];
            /** @description All of them together. */
            together: components["schemas"]["console.PoolSums"];
        };
        /** @description Which pools are meant. */
        "console.PoolsOf": {
            /** @description Only those of this database; null: all. */
            database?: string | null;
        };
        /** @description What was steered. */
        "console.PoolsSteered": {
            /**
             * Format: int32
             * @description How many pools.
             */
            pools: number;
        };
        /** @description Why a call was not answered as it wished. */
        "console.Problem": {
            /** @description What exactly is wrong, for a person. */
            detail: string;
            /** @description The name of the error, for a program. */
            slug: string;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The name of the status. */
            title: string;
            /** @description Where the error is explained. */
            type: string;
        };
        /** @description A project. */
        "console.ProjectSeen": {
            /** @description What it is known from: `default` (it is always there), `token`, `statements`, `cache`. */
            known_from: string[];
            /** @description Its name. */
            project: string;
        };
        /** @description Projects. */
        "console.ProjectsSeen": {
            /** @description What could not be asked, a sentence each: some projects may be missing. */
            missing: string[];
            /** @description By name. A token of a project sees its own. */
            projects: components["schemas"]["console.ProjectSeen"][];
        };
        /** @description Proofs. */
        "console.Proofs": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description The newest first. */
            proofs: components["schemas"]["backup.ProofSummary"][];
        };
        /** @description Statements by shape. */
        "console.Queries": {
            /** @description Why figures are missing; empty: none are. */
            missing: string;
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description In the order asked for. */
            queries: components["schemas"]["monitor.QueryStatistics"][];
        };
        /** @description One shape of statement. */
        "console.Query": {
            /** @description How it fared on each database where it ran in the time asked for, the heaviest first. */
            databases: components["schemas"]["monitor.QueryStatistics"][];
            /** @description The shape: 16 hexadecimal digits. */
            fingerprint: string;
            /** @description What sort of statement it is. */
            kind: components["schemas"]["common.StatementKind"];
            /** @description Why figures are missing; empty: none are. */
            missing: string;
            /** @description Whose figures these are. */
            project: string;
            /** @description Its text without literals; empty where no gateway has told it yet. */
            query: string;
        };
        /** @description Levels of latency that gave way to others. */
        "console.QueryChanges": {
            /** @description The latest first. */
            changes: components["schemas"]["monitor.QueryChange"][];
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
        };
        /** @description A piece of advice, and what was done upon it. */
        "console.Recommendation": components["schemas"]["maintenance.Advice"] & {
            change?: components["schemas"]["maintenance.Change"] | null;
            /** @description Where it stands. */
            state: components["schemas"]["console.RecommendationState"];
        };
        /**
         * @description Where a recommendation stands.
         * @enum {string}
         */
        "console.RecommendationState": "open" | "applying" | "applied" | "pending_restart" | "reverting";
        /** @description Advice as of now. */
        "console.Recommendations": {
            /** @description What may not be right and was left without advice. */
            left: components["schemas"]["maintenance.AdviceLeft"][];
            /**
             * Format: int32
             * @description How much advice is not shown, as there is more.
             */
            more: number;
            /** @description The weightiest first; at most 1000. */
            recommendations: components["schemas"]["console.Recommendation"][];
        };
        /**
         * @description What came of a recovery test.
         * @enum {string}
         */
        "console.RecoveryStatus": "running" | "proven" | "failed" | "inconclusive";
        /** @description Whether a backup can be restored. */
        "console.RecoveryTest": {
            /** @description The backup. */
            backup_id: string;
            /** @description Each check, in the order in which they were made. */
            checks: components["schemas"]["backup.Check"][];
            /** @description The job that does it; the proof has the same id. */
            job: components["schemas"]["console.Job"];
            proof?: components["schemas"]["backup.ProofSummary"] | null;
            /** @description Why it failed or could not be carried out; empty otherwise. */
            reason: string;
            /** @description What came of it. */
            status: components["schemas"]["console.RecoveryStatus"];
        };
        /** @description A verification with what it found. */
        "console.Report": {
            /** @description The compliance table. */
            checks: components["schemas"]["console.ReportCheck"][];
            /**
             * Format: int64
             * @description When it ended. 0: it has not.
             */
            ended_unix_ms: number;
            /** @description Why it failed; empty: it did not. */
            error: string;
            /** @description Identifies it: a UUID. */
            id: string;
            /** @description Which verification. */
            kind: components["schemas"]["console.ReportKind"];
            /** @description The ways to ask PostgreSQL that were measured. */
            modes: components["schemas"]["console.ReportMode"][];
            progress?: components["schemas"]["console.ReportProgress"] | null;
            /** @description Who wanted it. */
            requested_by: string;
            /** @description What makes it reproducible. */
            setup: components["schemas"]["console.ReportSetup"];
            /**
             * Format: int64
             * @description When it began.
             */
            started_unix_ms: number;
            /** @description How far it is; `succeeded` whatever the verdict. */
            state: components["schemas"]["console.ReportState"];
            /** @description What is done, in order. */
            steps: components["schemas"]["console.ReportStep"][];
            /** @description `pass`: every check that could be made passed. */
            verdict: components["schemas"]["console.ReportVerdict"];
        };
        /** @description A line of the compliance table. */
        "console.ReportCheck": {
            /** @description `below`, `above`, or `is` where it is yes or no. */
            direction: string;
            /**
             * Format: double
             * @description What it is; null: not measured.
             */
            measured?: number | null;
            /** @description `p95`, `pool_efficiency`, `hit_ratio`, `backup` or `isolation`. */
            name: string;
            /** @description Why. */
            note: string;
            /**
             * Format: double
             * @description What it has to be; null with `is`.
             */
            target?: number | null;
            /** @description The same for people. */
            title: string;
            /** @description `ms`, `ratio` or `none`. */
            unit: string;
            /** @description What is to be thought of it. */
            verdict: components["schemas"]["console.ReportVerdict"];
        };
        /**
         * @description Which verification.
         * @enum {string}
         */
        "console.ReportKind": "comprehensive" | "quick";
        /** @description A way to ask PostgreSQL, as it was measured. */
        "console.ReportMode": {
            /**
             * Format: int64
             * @description Calls that ended.
             */
            calls: number;
            /**
             * Format: int64
             * @description Clients at once.
             */
            clients: number;
            /**
             * Format: double
             * @description Half of the connections were made in this time, log-in included; null: none were made.
             */
            connect_p50_ms?: number | null;
            /**
             * Format: double
             * @description 95 of 100 were.
             */
            connect_p95_ms?: number | null;
            /**
             * Format: double
             * @description The part of all waiting that went into connections.
             */
            connect_share: number;
            /**
             * Format: int64
             * @description Connections that were made to PostgreSQL for it; null: nobody counted them.
             */
            connections_opened?: number | null;
            /**
             * Format: int64
             * @description Calls that failed.
             */
            errors: number;
            /**
             * Format: double
             * @description Calls answered from memory, of those that could be; null: there is no cache.
             */
            hit_ratio?: number | null;
            /**
             * Format: double
             * @description The longest call.
             */
            max_ms: number;
            /**
             * Format: double
             * @description The average call.
             */
            mean_ms: number;
            /** @description `connect_per_request`, `direct`, `pooled` or `pooled_cached`. */
            mode: string;
            /**
             * Format: double
             * @description Half of the calls took at most this long, the connection included where each has its own.
             */
            p50_ms: number;
            /**
             * Format: double
             * @description 95 of 100 did.
             */
            p95_ms: number;
            /**
             * Format: double
             * @description 99 of 100 did.
             */
            p99_ms: number;
            /**
             * Format: double
             * @description Calls answered over a connection that was there already, of all; null: there is no pool.
             */
            pool_efficiency?: number | null;
            /**
             * Format: double
             * @description Calls a second.
             */
            queries_per_second: number;
            /** @description Each second. */
            spans: components["schemas"]["console.ReportSpan"][];
            /**
             * Format: int64
             * @description When it began.
             */
            started_unix_ms: number;
            /**
             * Format: double
             * @description Calls that did not, of all; null: there were none.
             */
            success_ratio?: number | null;
            /** @description The same for people. */
            title: string;
            /**
             * Format: double
             * @description How long it took.
             */
            took_ms: number;
        };
        /** @description How far a verification is. */
        "console.ReportProgress": {
            /**
             * Format: int64
             * @description Steps done.
             */
            done: number;
            /** @description What is being done. */
            note: string;
            /**
             * Format: int64
             * @description Steps in all.
             */
            total: number;
        };
        /** @description What makes a verification reproducible. */
        "console.ReportSetup": {
            /**
             * Format: int64
             * @description Clients at once.
             */
            clients: number;
            /**
             * Format: int64
             * @description Cores of the machine that asked.
             */
            cores: number;
            /** @description The database. */
            database: string;
            /**
             * Format: int64
             * @description Rows of each table in it.
             */
            rows: number;
            /** @description The schema that was made for it, and dropped at its end. */
            schema: string;
            /**
             * Format: int64
             * @description Seconds of each way.
             */
            seconds: number;
            /**
             * Format: int64
             * @description Where the random numbers begin.
             */
            seed: number;
            /** @description PostgreSQL's version. */
            server_version: string;
            /** @description What was asked. */
            statements: components["schemas"]["console.ReportStatement"][];
            /** @description Where PostgreSQL is. */
            upstream: string;
            /** @description Weir's version. */
            weir_version: string;
        };
        /** @description A second of a way. */
        "console.ReportSpan": {
            /**
             * Format: int64
             * @description When it began.
             */
            at_unix_ms: number;
            /**
             * Format: int64
             * @description Calls that ended in it.
             */
            calls: number;
            /**
             * Format: int64
             * @description Calls that failed in it.
             */
            errors: number;
            /**
             * Format: double
             * @description Half of them took at most this long; null: there were none.
             */
            p50_ms?: number | null;
            /**
             * Format: double
             * @description 95 of 100 did.
             */
            p95_ms?: number | null;
            /**
             * Format: double
             * @description 99 of 100 did.
             */
            p99_ms?: number | null;
        };
        /**
         * @description How far something is.
         * @enum {string}
         */
        "console.ReportState": "requested" | "running" | "succeeded" | "failed" | "cancelled" | "skipped";
        /** @description A statement that was asked. */
        "console.ReportStatement": {
            /** @description What it does. */
            name: string;
            /**
             * Format: double
             * @description Its part of all calls.
             */
            share: number;
            /** @description Its text. */
            sql: string;
        };
        /** @description A step. */
        "console.ReportStep": {
            /** @description `prepare`, a way, `backup`, `isolation` or `clean_up`. */
            name: string;
            /** @description Why it was skipped, or failed. */
            note: string;
            /** @description How far it is. */
            state: components["schemas"]["console.ReportState"];
            /** @description The same for people. */
            title: string;
            /**
             * Format: double
             * @description How long it took.
             */
            took_ms?: number | null;
        };
        /** @description A verification as it is listed. */
        "console.ReportSummary": {
            /** @description Checks that failed. */
            checks_failed: number;
            /** @description Checks that passed. */
            checks_passed: number;
            /** @description Checks that could not be made. */
            checks_skipped: number;
            /**
             * Format: int64
             * @description When it ended. 0: it has not.
             */
            ended_unix_ms: number;
            /** @description Why it failed; empty: it did not. */
            error: string;
            /** @description Identifies it. */
            id: string;
            /** @description Which verification. */
            kind: components["schemas"]["console.ReportKind"];
            /**
             * Format: double
             * @description 95 of 100 calls through the pool took at most this long; null: not measured.
             */
            p95_ms?: number | null;
            progress?: components["schemas"]["console.ReportProgress"] | null;
            /**
             * Format: double
             * @description Calls a second through the pool; null: not measured.
             */
            queries_per_second?: number | null;
            /** @description Who wanted it. */
            requested_by: string;
            /**
             * Format: int64
             * @description When it began.
             */
            started_unix_ms: number;
            /** @description How far it is. */
            state: components["schemas"]["console.ReportState"];
            /** @description What is to be thought of it. */
            verdict: components["schemas"]["console.ReportVerdict"];
        };
        /**
         * @description What is to be thought of something.
         * @enum {string}
         */
        "console.ReportVerdict": "pass" | "fail" | "skipped" | "unknown";
        /** @description Reports of verifications. */
        "console.Reports": {
            /** @description Always null: all that are kept are here. */
            next?: string | null;
            /** @description The one that runs, then the latest first. */
            reports: components["schemas"]["console.ReportSummary"][];
        };
        /** @description What a restore would do, and how to have it done. */
        "console.RestorePlan": {
            /** @description What to type in a shell to have it done. */
            command: string;
            /** @description What it would do. */
            plan: components["schemas"]["backup.PlanRestoreResponse"];
            /** @description Whether it would refuse, as things stand. */
            refuses: boolean;
        };
        /**
         * @description What happens when the target is reached.
         * @enum {string}
         */
        "console.RestoreThen": "stop" | "pause" | "promote" | "standby";
        /**
         * @description On which side of a bound things are bad.
         * @enum {string}
         */
        "console.RuleDirection": "above" | "below";
        /**
         * @description How much an alert matters.
         * @enum {string}
         */
        "console.RuleSeverity": "info" | "warning" | "critical";
        /** @description How a schedule's work is to be done now. */
        "console.RunSchedule": {
            /**
             * @description Do it even if no maintenance window is open.
             * @default false
             */
            force_window: boolean;
            /**
             * @description Answer when it has ended, an hour later at most.
             * @default false
             */
            wait: boolean;
        };
        /** @description Schedules. */
        "console.Schedules": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description By name. A page may be short and have a next one. */
            schedules: components["schemas"]["scheduler.Schedule"][];
        };
        /** @description How far the tables of a service are. */
        "console.SchemaFound": {
            /** @description Whether they are there and of this version. */
            current: boolean;
            /** @description What was done or has to be, in a sentence. */
            detail: string;
            /** @description The schema. */
            schema: string;
            /** @description Whose tables are in it. */
            service: string;
        };
        /** @description Security in short. */
        "console.SecurityOverview": {
            /**
             * Format: int64
             * @description How often something was refused.
             */
            blocked: number;
            /** @description Who broke them most often, at most ten. */
            clients: components["schemas"]["console.ViolationsOfClient"][];
            firewall?: components["schemas"]["console.FirewallAtAGlance"] | null;
            /** @description What could not be asked, a sentence each; none: this is complete. */
            missing: string[];
            /**
             * Format: int64
             * @description How often something was told of and let through.
             */
            reported: number;
            /** @description Rules that were broken, the most often first. */
            rules: components["schemas"]["console.ViolationsOfRule"][];
            /**
             * Format: int64
             * @description From when on rules and clients are counted: a day ago.
             */
            since_unix_ms: number;
        };
        /** @description A connection to PostgreSQL. */
        "console.ServerConnection": {
            /**
             * Format: int64
             * @description How old it is.
             */
            age_s: number;
            /** @description The name of the program that has it; may be empty. */
            application: string;
            /**
             * Format: int64
             * @description The client that has it; null: none of the PostgreSQL door.
             */
            client?: number | null;
            /** @description Its database. */
            database: string;
            /**
             * Format: int64
             * @description For how long it is held; null: it is not.
             */
            held_ms?: number | null;
            /**
             * Format: int64
             * @description Identifies it, until it is closed.
             */
            id: number;
            /**
             * Format: int64
             * @description Statements that are prepared on it.
             */
            prepared_statements: number;
            /**
             * Format: int64
             * @description The id of PostgreSQL's process.
             */
            process_id?: number | null;
            /** @description Its role. */
            role: string;
            /** @description `idle`, `active`, `idle in transaction` or `kept` (for a client that holds on to it). */
            state: string;
            /** @description The server. */
            upstream: string;
        };
        /** @description Who the caller is, and what the console is. */
        "console.Session": {
            /** @description The name of the token; `operator` for a call without one. */
            name: string;
            /** @description The profile of the settings. */
            profile: string;
            /** @description Whose data it sees; null: everything. */
            project?: string | null;
            /** @description Projects that it may ask for. */
            projects: string[];
            /** @description What it may do. */
            role: components["schemas"]["Role"];
            /** @description The console's version. */
            version: string;
        };
        /** @description The value that another service has. */
        "console.SettingElsewhere": {
            /** @description Where it came from. */
            origin: string;
            /** @description The service. */
            service: string;
            /** @description Its value; null: none. */
            value?: string | null;
        };
        /** @description A setting in force. */
        "console.SettingNow": {
            /** @description Whether it can be changed while its service runs; null: it is taken over by a reload, or at the next start. */
            changeable?: boolean | null;
            /** @description Services for which it is another value. */
            elsewhere: components["schemas"]["console.SettingElsewhere"][];
            /** @description Its name, such as `gateway.pool_max`. */
            key: string;
            /** @description What it means; null: nobody says. */
            meaning?: string | null;
            /** @description Where it came from: `default`, `profile`, `file`, `environment NAME`, `set while running`. */
            origin: string;
            /** @description Whether a reload takes it over; false: the next start does. */
            reloads: boolean;
            /** @description Whose value it is. What several services read is the console's here. */
            service: string;
            /** @description Its value, secrets masked; null: it has none. */
            value?: string | null;
            waiting?: components["schemas"]["console.SettingWaiting"] | null;
        };
        /** @description A value that waits for the next start of its service. */
        "console.SettingWaiting": {
            /** @description Where it came from. */
            origin: string;
            /** @description The value; null: none. */
            value?: string | null;
        };
        /** @description How healthy everything is, in short. */
        "console.ShortHealth": {
            /**
             * Format: int64
             * @description Since when it is so.
             */
            since_unix_ms: number;
            /** @description The whole: degraded is not down. */
            status: components["schemas"]["console.HealthStatus"];
        };
        /** @description A token as it is listed. */
        "console.Token": {
            /** @description By whom. */
            created_by: string;
            /**
             * Format: int64
             * @description When it was made.
             */
            created_unix_ms: number;
            /**
             * Format: int64
             * @description When it ends; null: when it is revoked.
             */
            expires_unix_ms?: number | null;
            /**
             * Format: uuid
             * @description Identifies it.
             */
            id: string;
            /**
             * Format: int64
             * @description When it was last used, to a minute; null: never.
             */
            last_used_unix_ms?: number | null;
            /** @description What people call it. */
            name: string;
            /** @description Whose data it sees; null: everything. */
            project?: string | null;
            /**
             * Format: int64
             * @description When it was revoked; null: it was not.
             */
            revoked_unix_ms?: number | null;
            /** @description `viewer` or `operator`. */
            role: string;
        };
        /** @description Tokens. */
        "console.Tokens": {
            /** @description The newest first; the latest thousand. */
            tokens: components["schemas"]["console.Token"][];
        };
        /** @description Where a figure is going. */
        "console.Trend": {
            /**
             * Format: double
             * @description Its median before; null: too little is known.
             */
            before?: number | null;
            /** @description Where it is going. */
            direction: components["schemas"]["console.TrendDirection"];
            /** @description The figure: `connect_ms`, `p95_ms`, `error_ratio`, `not_up`. The less of it the better. */
            figure: string;
            /**
             * Format: double
             * @description Its median in the last third of the time.
             */
            now?: number | null;
        };
        /**
         * @description A direction.
         * @enum {string}
         */
        "console.TrendDirection": "improving" | "steady" | "worsening";
        /** @description A server before which there is a breaker. */
        "console.UpstreamBreaker": {
            /** @description What its breaker lets through. */
            breaker: components["schemas"]["console.Breaker"];
            /**
             * Format: int64
             * @description How far it is behind the primary; null: it is not, or that is not known.
             */
            lag_ms?: number | null;
            /** @description Why the server could last not be reached, by the error's name; null: it always could, or the gateway does not say. */
            last_error?: string | null;
            /**
             * Format: int64
             * @description When that was; null with `last_error`.
             */
            last_error_unix_ms?: number | null;
            /**
             * Format: int64
             * @description How often it has opened since the gateway was started; null: the gateway does not say.
             */
            opened_total?: number | null;
            /** @description Whether it answers reads; null: the gateway does not say. */
            reads?: boolean | null;
            /** @description `primary`, `standby` or `unknown`; null: the gateway does not say. */
            role?: string | null;
            /**
             * Format: int64
             * @description Since when the breaker is in this state; null: the gateway does not say.
             */
            since_unix_ms?: number | null;
            /** @description The server. */
            upstream: string;
            /** @description Whether it takes writes; null: the gateway does not say. */
            writes?: boolean | null;
        };
        /** @description How much is wanted. */
        "console.Verification": {
            /**
             * Format: int64
             * @description Clients at once; 8 if nothing is said.
             */
            clients?: number | null;
            /**
             * Format: int64
             * @description Rows of each table; 100,000 if nothing is said.
             */
            rows?: number | null;
            /**
             * Format: int64
             * @description Seconds of each way; 10 if nothing is said.
             */
            seconds?: number | null;
            /** @description Answer when it has ended. */
            wait?: boolean;
        };
        /** @description A broken rule as it is shown. */
        "console.Violation": {
            /** @description `blocked`: it was refused; `reported`: it was told and let through. */
            action: string;
            /** @description The calling program, as it named itself; may be empty. */
            application: string;
            /**
             * Format: int64
             * @description When it happened.
             */
            at_unix_ms: number;
            /** @description Where from. */
            client: string;
            /**
             * Format: int64
             * @description How often it happened since it was last told.
             */
            count: number;
            /** @description The database. */
            database: string;
            /** @description By which door it came: `wire` or `grpc`. */
            door: string;
            /** @description The event that told of it, as the live stream names it. */
            event_id: string;
            /** @description The shape of the statement: 16 hexadecimal digits; empty: it was not about one. */
            fingerprint: string;
            /**
             * Format: int64
             * @description Identifies it; what was written later has a greater number.
             */
            id: number;
            /** @description Whose statement or login it was. */
            project: string;
            /** @description The rule, such as `stacked-statements`. */
            rule: string;
            /** @description Every rule that the statement broke, the gravest first; empty: only `rule`. */
            rules: string[];
            /**
             * Format: int32
             * @description How suspicious the statement looked: 30 is suspicious, 50 dangerous; 0: it was not judged by its looks.
             */
            score: number;
            /** @description How bad it would be if it were meant badly: `info`, `warning` or `critical`. */
            severity: string;
            /** @description What happened, without any value of the statement. */
            summary: string;
            /** @description The caller's trace (W3C); may be empty. */
            traceparent: string;
            /** @description The PostgreSQL server. */
            upstream: string;
            /** @description The role. */
            user: string;
        };
        /** @description Rules that were broken. */
        "console.Violations": {
            /** @description How to go on; null: this page was the last. */
            next?: string | null;
            /** @description The latest first. */
            violations: components["schemas"]["console.Violation"][];
        };
        /** @description How often somebody broke rules. */
        "console.ViolationsOfClient": {
            /**
             * Format: int64
             * @description How often of these it was refused.
             */
            blocked: number;
            /** @description Where from. */
            client: string;
            /**
             * Format: int64
             * @description How often.
             */
            count: number;
            /**
             * Format: int64
             * @description The last time.
             */
            last_unix_ms: number;
            /** @description Which rules. */
            rules: string[];
        };
        /** @description How often a rule was broken. */
        "console.ViolationsOfRule": {
            /** @description What was done about it: `blocked` or `reported`. */
            action: string;
            /**
             * Format: int64
             * @description How often.
             */
            count: number;
            /**
             * Format: int64
             * @description The last time.
             */
            last_unix_ms: number;
            /** @description The rule. */
            rule: string;
        };
        /** @description A backup to be taken. */
        "console.WantedBackup": {
            /** @description Begin with an immediate checkpoint rather than a spread one. */
            checkpoint_now?: boolean;
            kind?: components["schemas"]["console.WantedBackupKind"] | null;
            /** @description A note for people. */
            label?: string | null;
            /** @description Whose data an export is to hold; null: a token's own project, `default` for an operator. Only for `project`. */
            project?: string | null;
            /** @description Only into this repository; null: into all. */
            repository?: string | null;
            /** @description Answer when it has ended, an hour later at most. */
            wait?: boolean;
        };
        /**
         * @description What sort of backup to take.
         * @enum {string}
         */
        "console.WantedBackupKind": "full" | "incremental" | "differential" | "project";
        /**
         * @description How thorough a proof is.
         * @enum {string}
         */
        "console.WantedDepth": "changed" | "full";
        /** @description How to prove a backup. */
        "console.WantedProof": {
            depth?: components["schemas"]["console.WantedDepth"] | null;
            /** @description The repository to restore from; null: each in turn. */
            repository?: string | null;
            /** @description Answer when it has ended, an hour later at most. */
            wait?: boolean;
        };
        /** @description A restore that somebody has in mind. */
        "console.WantedRestore": {
            /**
             * Format: uuid
             * @description The backup to begin with; null: the best for the moment.
             */
            backup_id?: string | null;
            /** @description Use what is in the directory, and write only what differs. */
            delta?: boolean;
            /** @description The data directory to write, on the backup service's machine. */
            directory: string;
            /** @description Go on in spite of what can be forced. */
            force?: boolean;
            /** @description Only these tablespaces, by their number; none: everything. */
            only_tablespaces?: number[];
            /** @description The repository to read; null: the first that has everything. */
            repository?: string | null;
            /** @description Where tablespaces go, by their number; those not named go where they were. */
            tablespaces?: {
                [key: string]: string;
            };
            /** @description Where to end. */
            target?: components["schemas"]["console.WantedTarget"];
            then?: components["schemas"]["console.RestoreThen"] | null;
        };
        /** @description A schedule to make, or to change. */
        "console.WantedSchedule": {
            /**
             * Format: int32
             * @description Attempts of each run at most. 0: the worker's choice.
             */
            attempt_max?: number;
            /**
             * Format: int32
             * @description A run that has not begun by then is not begun any more. 0: an hour.
             */
            begin_within_ms?: number;
            /** @description When: minute, hour, day of the month, month, day of the week; or six fields with seconds first. */
            cron: string;
            /** @description Its runs need no maintenance window. */
            ignores_windows?: boolean;
            /**
             * Format: int32
             * @description Each run is asked for up to this much later, by chance.
             */
            jitter_ms?: number;
            /** @description What becomes of times that passed while no scheduler ran. */
            misfire?: components["schemas"]["console.Misfire"];
            /** @description Its name, unique in its project. */
            name: string;
            /** @description What it does, such as `analyze`. */
            operation: string;
            /** @description What the operation is told; null: nothing. */
            parameters?: Record<string, never> | null;
            /** @description The time zone in which that is meant, such as `Europe/Vienna`; null: UTC. */
            time_zone?: string | null;
        };
        /** @description Where a restore is to end: one moment, or none for the end of the log. */
        "console.WantedTarget": {
            /**
             * @description Just before the moment rather than just after it.
             * @default false
             */
            before: boolean;
            /**
             * @description As soon as the backup is consistent.
             * @default false
             */
            consistent: boolean;
            /**
             * Format: int64
             * @description This place in the log, as a number.
             * @default null
             */
            lsn: number | null;
            /**
             * @description The restore point of this name.
             * @default null
             */
            restore_point: string | null;
            /**
             * Format: int64
             * @description The last commit at or before this time, in milliseconds since 1970.
             * @default null
             */
            time_unix_ms: number | null;
            /**
             * Format: int32
             * @description The timeline. 0: the latest that the moment lies on.
             * @default 0
             */
            timeline: number;
            /**
             * Format: int32
             * @description This transaction.
             * @default null
             */
            xid: number | null;
        };
        /** @description A window to make, or to change. */
        "console.WantedWindow": {
            /** @description Keep it, but let it not count. A project whose windows are all disabled has none. */
            disabled?: boolean;
            /** @description When it closes, such as `06:00`. Not after `start`: on the next day. */
            end: string;
            /** @description Its name, unique in its project. */
            name: string;
            /** @description When it opens: local time of day, such as `22:00`. */
            start: string;
            /** @description The time zone in which that is meant, such as `Europe/Vienna`; null: UTC. */
            time_zone?: string | null;
            /** @description The days on which it opens; none: every day. */
            weekdays?: components["schemas"]["console.Day"][];
        };
        /**
         * @description A worker that does work.
         * @enum {string}
         */
        "console.Worker": "maintenance" | "backup";
        /** @description Wraparound of one database at a glance. */
        "console.WraparoundGlance": {
            /**
             * Format: int64
             * @description The age of the oldest id of that kind; of transactions where no limit is in sight.
             */
            age: number;
            /** @description Why nothing newer is known; empty: it was asked lately. */
            away: string;
            /** @description Something old is held on to: nothing younger can be frozen. */
            cannot_advance: boolean;
            /** @description The database. */
            database: string;
            /**
             * Format: double
             * @description Seconds until then, 0 where it is reached; null: none is in sight.
             */
            eta_seconds?: number | null;
            /** @description The limit that comes first, such as `xid_autovacuum`; null: none is in sight. */
            limit?: string | null;
            /**
             * Format: int64
             * @description When it was asked.
             */
            taken_unix_ms: number;
        };
        /**
         * @description What the firewall does with statements.
         * @enum {string}
         */
        "gateway.FirewallMode": "unspecified" | "off" | "learn" | "monitor" | "enforce";
        /** @description A mode that was set by a call. */
        "gateway.FirewallModeSet": {
            /**
             * Format: int64
             * @description When.
             */
            at_unix_ms: number;
            /** @description Who set it, as the caller said. */
            by: string;
            /** @description The mode. */
            mode: components["schemas"]["gateway.FirewallMode"];
            scope?: components["schemas"]["gateway.FirewallScope"] | null;
        };
        /** @description Whose statements: shapes are kept for each project, database and user. */
        "gateway.FirewallScope": {
            /** @description The database. */
            database: string;
            /** @description The project. */
            project: string;
            /** @description The user (role). */
            user: string;
        };
        /** @description The firewall of one scope. */
        "gateway.FirewallScopeStatus": {
            /**
             * Format: int64
             * @description Shapes that a person approved.
             */
            approved: number;
            /**
             * Format: int64
             * @description Of them: refused.
             */
            blocked: number;
            /**
             * Format: int64
             * @description As above.
             */
            blocked_last_hour: number;
            /**
             * @description The mode that holds for shapes that are not known: `monitor` where it was given up by itself to refuse them, or where
             *     no shape is known yet. What is dangerous or forbidden is refused all the same.
             */
            effective_mode: components["schemas"]["gateway.FirewallMode"];
            /** @description Whether files, other servers and rights are forbidden to this user (`gateway.firewall_forbidden`). */
            forbidden: boolean;
            /**
             * Format: int64
             * @description When a statement was last told of or refused. 0: not since the start.
             */
            last_violation_unix_ms: number;
            /**
             * Format: int64
             * @description Shapes that were learned.
             */
            learned: number;
            /** @description The mode that is set for those who used it last. */
            mode: components["schemas"]["gateway.FirewallMode"];
            /** @description Where the mode comes from: `settings` (with rules), or `operator` (SetFirewallMode). */
            mode_from: string;
            /**
             * Format: int64
             * @description Shapes that found no room in the list since the start.
             */
            overflowed: number;
            /**
             * Format: int64
             * @description Shapes that wait for a person.
             */
            queued: number;
            /** @description Why another mode holds than is set; a sentence. Empty: the same holds. */
            reason: string;
            /**
             * Format: int64
             * @description When it was given up by itself to refuse shapes that are not known. 0: it was not.
             */
            relaxed_unix_ms: number;
            /**
             * Format: int64
             * @description Of them: told of and let through.
             */
            reported: number;
            /**
             * Format: int64
             * @description Statements told of or refused in the last hour.
             */
            reported_last_hour: number;
            scope?: components["schemas"]["gateway.FirewallScope"] | null;
            /**
             * Format: int64
             * @description Statements judged since the start.
             */
            statements: number;
            /** @description How much of the unknown is refused: `balanced` or `strict`. */
            strictness: string;
            /**
             * Format: int32
             * @description From this score on a statement is dangerous.
             */
            threshold: number;
            /**
             * Format: int64
             * @description Of them: would have been refused, or were, had the mode been `enforce` all along.
             */
            would_block: number;
        };
        /** @description A shape of statement in the list. */
        "gateway.FirewallShape": {
            /** @description Approved: who did it, as the caller said. */
            approved_by: string;
            /**
             * Format: int32
             * @description Approved: up to this score it is let through.
             */
            approved_score: number;
            /**
             * Format: int64
             * @description Approved: when.
             */
            approved_unix_ms: number;
            /**
             * Format: int64
             * @description How often it was seen.
             */
            count: number;
            /** @description Its fingerprint, as statistics have it: 16 hexadecimal digits. */
            fingerprint: string;
            /**
             * Format: int64
             * @description When it was seen first. 0: never.
             */
            first_seen_unix_ms: number;
            /**
             * @description Its id in the list: 16 hexadecimal digits. Finer than the fingerprint: it also tells apart texts that differ in
             *     order, aliases or spelling.
             */
            id: string;
            /**
             * Format: int64
             * @description When it was seen last. 0: never.
             */
            last_seen_unix_ms: number;
            /** @description The rules that it broke then, most grave first. */
            rules: string[];
            scope?: components["schemas"]["gateway.FirewallScope"] | null;
            /**
             * Format: int32
             * @description The highest score that it was seen with.
             */
            score: number;
            /** @description What is thought of it. */
            state: components["schemas"]["gateway.FirewallShapeState"];
            /** @description Its text without literals; cut where it is long. */
            text: string;
        };
        /**
         * @description What is thought of a shape.
         * @enum {string}
         */
        "gateway.FirewallShapeState": "unspecified" | "queued" | "learned" | "approved";
        /** @description One piece of advice. */
        "maintenance.Advice": {
            /** @description When that is in force. */
            activation: components["schemas"]["maintenance.AdviceActivation"];
            /** @description Whether ApplyAdvice carries it out. */
            applicable: boolean;
            /** @description Why a setting has to be changed by hand. Empty: it has not. */
            by_hand: string;
            /** @description What it rests on. */
            confidence: components["schemas"]["maintenance.AdviceConfidence"];
            /** @description Its value now. Unset: it is not set. */
            current?: string | null;
            /** @description The database; empty for the server. */
            database: string;
            /** @description Identifies it: the kind, and the object where there is one. The same advice has the same id each time. */
            id: string;
            /** @description How much it matters. */
            impact: components["schemas"]["maintenance.AdviceImpact"];
            /** @description What it is, such as `shared-buffers` or `duplicate-index`. */
            kind: string;
            /** @description The index or constraint of the table; empty where it is none. */
            part: string;
            /** @description Its value then. Unset: it is not to be set any more. */
            proposed?: string | null;
            /** @description Why, with the numbers. */
            reason: string;
            /** @description What it reaches. */
            scope: components["schemas"]["maintenance.AdviceScope"];
            /** @description The setting of the server, or the option of the table. Empty: nothing to set. */
            setting: string;
            /** @description What a person can run instead. Empty: no single statement does it. */
            statement: string;
            /** @description What to do, in a few words. */
            summary: string;
            /** @description The table, or the sequence, as `schema.name`; empty for the server. */
            table: string;
        };
        /**
         * @description When a changed value is in force.
         * @enum {string}
         */
        "maintenance.AdviceActivation": "unspecified" | "immediate" | "reload" | "restart";
        /**
         * @description What a piece of advice rests on.
         * @enum {string}
         */
        "maintenance.AdviceConfidence": "unspecified" | "measured" | "derived" | "guessed";
        /**
         * @description How much a piece of advice matters.
         * @enum {string}
         */
        "maintenance.AdviceImpact": "unspecified" | "danger" | "high" | "medium" | "low";
        /** @description Something that may not be right and was left without advice. */
        "maintenance.AdviceLeft": {
            /** @description Why it was left, or what is not known. */
            reason: string;
            /** @description The setting, or the table with its option. */
            what: string;
        };
        /**
         * @description What acting upon a piece of advice reaches.
         * @enum {string}
         */
        "maintenance.AdviceScope": "unspecified" | "server" | "database" | "table";
        /** @description How well one kind of work was foretold. */
        "maintenance.Calibration": {
            /**
             * Format: int64
             * @description Bytes that were expected back, most probably.
             */
            expected_bytes: number;
            /** @description The kind of work. */
            kind: string;
            /**
             * Format: int64
             * @description Pieces that were done and whose gain could be measured.
             */
            pieces: number;
            /**
             * Format: int64
             * @description Bytes that came back; less than nothing where relations grew meanwhile.
             */
            reclaimed_bytes: number;
            /**
             * Format: double
             * @description The time they took as a share of what was expected; the middle one of all. 0: not known.
             */
            time_ratio: number;
            /**
             * Format: int64
             * @description Of these, those that gave back what they were expected to, between the least and the most.
             */
            within: number;
        };
        /** @description One relation that was looked at for one kind of work, and the verdict. */
        "maintenance.Candidate": {
            /** @description What would be done to it, such as `analyze`. Empty: nothing. */
            action: string;
            /** @description The database it is in. */
            database: string;
            /** @description True where it may not wait for a window. */
            emergency: boolean;
            expected?: components["schemas"]["maintenance.Expectation"] | null;
            facts?: components["schemas"]["maintenance.TableFacts"] | null;
            /** @description The index, where it is about one. Empty: about the table. */
            index: string;
            /** @description The kind of work: `sweep`, `freeze`, `vacuum`, `analyze`, `reindex`, `reorganize` or `verify`. */
            kind: string;
            /** @description Why, or why not: one sentence with the numbers that decided it. */
            reason: string;
            /** @description True where the operation would act on it. */
            selected: boolean;
            /** @description The table, as `schema.name`. */
            table: string;
        };
        /** @description One change that was made on advice. */
        "maintenance.Change": {
            /** @description The advice. */
            advice_id: string;
            /**
             * Format: int64
             * @description When it was begun.
             */
            begun_unix_ms: number;
            /** @description Who wanted it. */
            by: string;
            /** @description The database; empty for the server. */
            database: string;
            /**
             * Format: int64
             * @description When it was no longer in force. 0: it still is.
             */
            ended_unix_ms: number;
            /** @description Identifies it: a UUID. */
            id: string;
            /** @description Its kind. */
            kind: string;
            /** @description What was written. Unset: it was removed. */
            new_value?: string | null;
            /** @description Why it failed, or what is to be known. */
            note: string;
            /** @description What was written there before. Unset: nothing; it is removed again by a revert. */
            old_value?: string | null;
            /** @description The project. */
            project: string;
            /** @description The reason of the advice at that time. */
            reason: string;
            /** @description The setting of the server, or the option of the table. */
            setting: string;
            /** @description Where it stands. */
            state: components["schemas"]["maintenance.ChangeState"];
            /** @description The table as `schema.name`; empty for the server. */
            table: string;
            /** @description The value in force before, wherever it came from. */
            was_in_force: string;
        };
        /**
         * @description Where a change stands.
         * @enum {string}
         */
        "maintenance.ChangeState": "unspecified" | "applying" | "applied" | "pending_restart" | "reverting" | "reverted" | "superseded" | "failed";
        /** @description What a piece of work is expected to give and to cost. */
        "maintenance.Expectation": {
            /**
             * Format: int64
             * @description Bytes that are read and written for it.
             */
            cost_bytes: number;
            /**
             * Format: int64
             * @description Bytes that come back, at most.
             */
            reclaim_high_bytes: number;
            /**
             * Format: int64
             * @description Bytes that come back, most probably.
             */
            reclaim_likely_bytes: number;
            /**
             * Format: int64
             * @description Bytes that come back, at least: 95 of 100 times the truth lies between this and `reclaim_high_bytes`.
             */
            reclaim_low_bytes: number;
            /**
             * Format: int64
             * @description Bytes that statements need not read any more, in a day.
             */
            saved_reads_per_day_bytes: number;
            /**
             * Format: double
             * @description Bytes gained in a week, for sure, for each byte read or written.
             */
            score: number;
            /**
             * Format: int64
             * @description How long it takes, in nine of ten cases.
             */
            takes_ms: number;
        };
        /** @description How well work was foretold so far. */
        "maintenance.GetCalibrationResponse": {
            /** @description Kind by kind. */
            kinds: components["schemas"]["maintenance.Calibration"][];
        };
        /** @description What statements took before a piece of work and after it, as the query monitor counted them. */
        "maintenance.GetEffectResponse": {
            /** @description Why figures are missing. Empty: none are. */
            missing: string;
            piece?: components["schemas"]["maintenance.Piece"] | null;
            /**
             * Format: int64
             * @description Figures are of so many milliseconds before its beginning and as many after its end: of a day, or of what has passed.
             *     0: it has not ended.
             */
            span_ms: number;
            /** @description The statements that name its table, the costliest before it first. */
            statements: components["schemas"]["maintenance.StatementEffect"][];
        };
        /** @description How old the oldest rows are. */
        "maintenance.GetWraparoundResponse": {
            /** @description Each database as it was last seen. One that was never seen is not listed. */
            databases: components["schemas"]["maintenance.WraparoundDatabase"][];
        };
        /** @description One piece of work on one relation. */
        "maintenance.Piece": {
            /**
             * Format: int64
             * @description Bytes of the relation after. Unset: not measured.
             */
            bytes_after?: number | null;
            /**
             * Format: int64
             * @description Bytes of the relation before. Unset: not measured.
             */
            bytes_before?: number | null;
            /** @description The database. */
            database: string;
            /**
             * Format: int64
             * @description When it ended. 0: it has not.
             */
            ended_unix_ms: number;
            expected?: components["schemas"]["maintenance.Expectation"] | null;
            /** @description Identifies it: a UUID. */
            id: string;
            /** @description The index, where it is about one. Empty: about the table. */
            index: string;
            /** @description The job it is part of. */
            job_id: string;
            /** @description The kind of work. */
            kind: string;
            /** @description `running`, `done`, `left`, `halted` or `failed`. */
            outcome: string;
            /**
             * Format: double
             * @description What 95 of 100 calls on the database kept to before it. Unset: not known.
             */
            p95_before_ms?: number | null;
            /**
             * Format: double
             * @description The same while it ran.
             */
            p95_during_ms?: number | null;
            /** @description Why it was left, halted or failed, or what is remarkable: one line. Empty: nothing. */
            reason: string;
            /**
             * Format: int64
             * @description When it was begun.
             */
            started_unix_ms: number;
            /** @description The table, as `schema.name`. */
            table: string;
        };
        /** @description One statement before and after a piece of work. */
        "maintenance.StatementEffect": {
            /**
             * Format: int64
             * @description Calls after.
             */
            calls_after: number;
            /**
             * Format: int64
             * @description Calls before.
             */
            calls_before: number;
            /** @description Its shape: 16 hexadecimal digits. */
            fingerprint: string;
            /**
             * Format: double
             * @description The same after.
             */
            p95_after_ms?: number | null;
            /**
             * Format: double
             * @description 95 of 100 calls took at most this many milliseconds before. Unset: there were none.
             */
            p95_before_ms?: number | null;
            /** @description Its text without literals. */
            text: string;
        };
        /** @description What PostgreSQL's statistics say of one table. */
        "maintenance.TableFacts": {
            /**
             * Format: double
             * @description `changed_tuples` in percent of `live_tuples`.
             */
            changed_percent: number;
            /**
             * Format: int64
             * @description Rows inserted, updated or deleted since the last ANALYZE.
             */
            changed_tuples: number;
            /** @description The database the table is in. */
            database: string;
            /**
             * Format: int64
             * @description Rows estimated to be dead.
             */
            dead_tuples: number;
            /**
             * Format: int64
             * @description When it was last analysed, by hand or by autovacuum. 0: never.
             */
            last_analyze_unix_ms: number;
            /**
             * Format: int64
             * @description Rows estimated to be alive.
             */
            live_tuples: number;
            /**
             * Format: int64
             * @description Bytes of the table itself, without indexes and TOAST.
             */
            size_bytes: number;
        };
        /** @description The ages of one database. */
        "maintenance.WraparoundDatabase": {
            /** @description Why nothing newer is known. Empty: it was asked lately. */
            away: string;
            /** @description Set where that one has stood for ten minutes and more: nothing younger can be frozen. */
            cannot_advance: boolean;
            /** @description Its name. */
            database: string;
            /**
             * Format: int64
             * @description How far back the oldest transaction is that this database's vacuums leave rows for. 0: none does.
             */
            horizon_age: number;
            /**
             * Format: int64
             * @description Members of multixacts on disk, at most. Unset: the role may not look.
             */
            multixact_members?: number | null;
            multixacts?: components["schemas"]["maintenance.WraparoundIds"] | null;
            /**
             * Format: int64
             * @description How long it has stood.
             */
            stands_seconds: number;
            /** @description The worst tables of the database. */
            tables: components["schemas"]["maintenance.WraparoundTable"][];
            /**
             * Format: int64
             * @description When it was asked.
             */
            taken_unix_ms: number;
            transactions?: components["schemas"]["maintenance.WraparoundIds"] | null;
        };
        /** @description One kind of ids. */
        "maintenance.WraparoundIds": {
            /**
             * Format: int64
             * @description How far back the oldest id of the database is.
             */
            age: number;
            /**
             * @description What forecasts rest on: `none`, `recent` (the last quarter of an hour), `week` (what is usual in each hour of the
             *     week), `unusual` (the last quarter of an hour, because the week never saw such a pace).
             */
            basis: string;
            /** @description What happens at which age, and when. */
            limits: components["schemas"]["maintenance.WraparoundLimit"][];
            /**
             * Format: int64
             * @description The id that is given next: of transactions in full, of multixacts as they wrap.
             */
            next: number;
            /**
             * Format: double
             * @description Ids used a second of late. Unset: not known yet.
             */
            per_second?: number | null;
            /**
             * Format: int64
             * @description The same of the oldest database of the server.
             */
            server_age: number;
        };
        /** @description One limit. */
        "maintenance.WraparoundLimit": {
            /**
             * Format: int64
             * @description The age at which it is reached, without regard for the settings of single tables.
             */
            age: number;
            /**
             * Format: double
             * @description Seconds until it is reached, 0 where it is; of `autovacuum`, by the table that comes first. Unset: not in sight.
             */
            eta_seconds?: number | null;
            /** @description Such as `xid_autovacuum`, `xid_failsafe`, `xid_warning`, `xid_stop`, and the same with `mxid`. */
            limit: string;
        };
        /** @description One table with what is stored out of line. */
        "maintenance.WraparoundTable": {
            /**
             * Format: int64
             * @description The age in these ids.
             */
            age: number;
            /**
             * Format: int64
             * @description Bytes that freezing it would read and write, at most.
             */
            cost_bytes: number;
            /**
             * Format: double
             * @description Seconds until then, 0 where it is reached. Unset: not in sight.
             */
            eta_seconds?: number | null;
            /** @description An autovacuum against wraparound is at it. */
            has_autovacuum: boolean;
            /** @description The limit that comes first is one of `xid` or of `mxid`. */
            ids: string;
            /** @description It is what is stored out of line that reaches the limit first. */
            is_toast: boolean;
            /**
             * Format: int64
             * @description The age at which autovacuum starts without asking.
             */
            limit: number;
            /** @description Why, or why not: one sentence with the numbers that decided it. */
            reason: string;
            /** @description Whether it would be frozen now, if a window were open. */
            selected: boolean;
            /**
             * Format: int64
             * @description Bytes of the table, as its last vacuum left it.
             */
            size_bytes: number;
            /** @description The table, as `schema.name`. */
            table: string;
            /** @description `emergency`, `due` or `none`. */
            urgency: string;
        };
        /** @description One alert: a rule whose condition came true for one thing. */
        "monitor.Alert": {
            /** @description Who looks after it. Empty: nobody said so. */
            acknowledged_by: string;
            /** @description What they said. */
            acknowledged_note: string;
            /**
             * Format: int64
             * @description When. 0: never.
             */
            acknowledged_unix_ms: number;
            /** @description The statement concerned: 16 hexadecimal digits. Empty: no single statement. */
            fingerprint: string;
            /** @description It came and went so often that it fires until it has been calm for half an hour. */
            flapping: boolean;
            /** @description Identifies this alert in events, replies and links: a UUID. */
            id: string;
            /** @description The alert that explains this one, for whose sake channels are not told. Empty: none. */
            inhibited_by: string;
            /** @description What exactly is concerned, such as `database` or `upstream`. */
            labels: {
                [key: string]: string;
            };
            /** @description The project concerned. */
            project: string;
            /**
             * Format: int64
             * @description When it ceased. 0: it still holds.
             */
            resolved_unix_ms: number;
            /** @description The rule, such as `slow-query`. */
            rule: string;
            /** @description Where to read what to do: a path below the documentation, or a URL. May be empty. */
            runbook: string;
            /** @description How much it matters. */
            severity: components["schemas"]["common.Severity"];
            /** @description The silence for whose sake channels are not told. Empty: none. */
            silenced_by: string;
            /**
             * Format: int64
             * @description Since when the condition held.
             */
            since_unix_ms: number;
            /** @description Whether it still holds. */
            state: components["schemas"]["monitor.AlertState"];
            /** @description One sentence for a person. */
            summary: string;
            /**
             * Format: double
             * @description The bound that it crossed, in the same unit.
             */
            threshold: number;
            /** @description Traces (W3C trace ids) that show it, the latest first. May be empty. */
            traces: string[];
            /**
             * Format: double
             * @description The value that was measured, in the unit of the rule.
             */
            value: number;
        };
        /** @description One receiver of alerts. What is secret is never told. */
        "monitor.AlertChannel": {
            /** @description What it speaks: `webhook`, `slack`, `email`, `pagerduty` or `alertmanager`. */
            kind: string;
            /** @description What it said then, or why it could not be asked. Empty: nothing yet. */
            last_error: string;
            /**
             * Format: int64
             * @description When it last did not. 0: never.
             */
            last_error_unix_ms: number;
            /**
             * Format: int64
             * @description When it last accepted a notification. 0: never.
             */
            last_success_unix_ms: number;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description Alerts of which it still has to be told something.
             */
            pending: number;
            /** @description Where it goes: the server, without the path, which may be secret. */
            place: string;
            /** @description Only alerts of these projects. None: of all. */
            projects: string[];
            /**
             * Format: int32
             * @description Failed attempts at the notification that has failed most often among those under way.
             */
            retries: number;
            /** @description Only alerts of these rules. None: of all. */
            rules: string[];
            /** @description Whether the end of an alert is told. */
            send_resolved: boolean;
            /** @description Only alerts of these severities. None: of all. */
            severities: string[];
        };
        /** @description A rule, or what is said of one; a field that is not set says nothing. */
        "monitor.AlertRule": {
            /**
             * Format: double
             * @description From where on somebody should look now.
             */
            critical?: number | null;
            /**
             * Format: double
             * @description Up to where that goes on.
             */
            critical_clear?: number | null;
            /** @description On which side of the bounds things are bad. */
            direction: components["schemas"]["monitor.RuleDirection"];
            /** @description Whether it is judged. */
            enabled?: boolean | null;
            /**
             * Format: int64
             * @description How long the condition has to hold.
             */
            for_ms?: number | null;
            /**
             * Format: double
             * @description From where on it is worth knowing.
             */
            info?: number | null;
            /**
             * Format: double
             * @description Up to where that goes on. Not set: up to the bound itself, or as far from it as before.
             */
            info_clear?: number | null;
            /** @description Rules whose alerts about the same thing are not told while one of this fires; patterns as in `labels`. */
            inhibits: string[];
            /**
             * Format: int64
             * @description How long an alert goes on after its condition has ceased.
             */
            keep_firing_for_ms?: number | null;
            /**
             * @description What the labels of a reading have to look like: `*` stands for any part, `|` separates alternatives, `!` in front
             *     means none of them.
             */
            labels: {
                [key: string]: string;
            };
            /** @description The figure that it looks at, such as `query.p95_ms`. */
            metric?: string | null;
            /** @description Its name: 1 to 63 of `a-z`, `0-9` and `-`. */
            name: string;
            /** @description Where the last word on it came from: `built-in`, `file` or `grpc`. Told in lists, not heard. */
            origin: string;
            /** @description Only for this project. Empty: for all. */
            project: string;
            /** @description Where to read what to do. */
            runbook?: string | null;
            /** @description One severity instead of those that the rule has, from its lowest bound on. */
            severity: components["schemas"]["common.Severity"];
            /** @description The sentence of its alerts, with `{value}`, `{threshold}`, `{project}`, `{note}`, `{fingerprint}` and labels in braces. */
            summary?: string | null;
            /**
             * Format: double
             * @description From where on somebody should look during the day.
             */
            warning?: number | null;
            /**
             * Format: double
             * @description Up to where that goes on.
             */
            warning_clear?: number | null;
            /**
             * Format: int64
             * @description For how long its figure remembers what has passed: so long after its end, an alert that inhibits it still does.
             */
            window_ms?: number | null;
        };
        /**
         * @description Whether an alert still holds.
         * @enum {string}
         */
        "monitor.AlertState": "unspecified" | "firing" | "resolved" | "pending";
        /** @description A plan, and what it says. */
        "monitor.AnalyzeResponse": {
            /**
             * Format: double
             * @description Milliseconds spent executing. Not set: it was not run.
             */
            execution_ms?: number | null;
            /** @description What is worth knowing, the weighty first. */
            findings: components["schemas"]["monitor.Finding"][];
            /** @description Whether it is the generic plan, made for any values of the parameters. */
            generic: boolean;
            /** @description The plan's nodes, each before those below it: at most 2000. */
            nodes: components["schemas"]["monitor.PlanNode"][];
            /**
             * Format: int32
             * @description Nodes beyond those.
             */
            nodes_left_out: number;
            /** @description The plan as PostgreSQL's JSON, without spaces. Empty where it is longer than 1 MiB. */
            plan_json: string;
            /** @description The shape of the plan, without costs and values: 16 hexadecimal digits. Equal for plans that do the same. */
            plan_shape: string;
            /** @description The plan as text, in PostgreSQL's manner. Cut behind 1 MiB. */
            plan_text: string;
            /**
             * Format: double
             * @description Milliseconds spent planning. Not set: not measured.
             */
            planning_ms?: number | null;
            /** @description What to keep in mind, such as effects of the run that no rollback undoes. */
            warnings: string[];
        };
        /** @description A session that waits for others. */
        "monitor.BlockedSession": {
            /** @description For whom it waits directly. */
            blocked_by: number[];
            /**
             * Format: double
             * @description Seconds that it has waited.
             */
            blocked_seconds: number;
            /**
             * Format: int32
             * @description How many sessions are between it and the root, itself included.
             */
            depth: number;
            session?: components["schemas"]["monitor.ServerSession"] | null;
        };
        /** @description A session that waits for nobody, and all that wait for it. */
        "monitor.BlockingChain": {
            /** @description All who wait, directly or for one who does, the longest wait first. */
            blocked: components["schemas"]["monitor.BlockedSession"][];
            /**
             * Format: double
             * @description Seconds of the longest wait.
             */
            blocked_seconds: number;
            /** @description Whether there is no such session: they wait for each other, and the server has not noticed yet. */
            is_circle: boolean;
            root?: components["schemas"]["monitor.ServerSession"] | null;
        };
        /** @description A generic plan that one shape of statement had for some time. */
        "monitor.CapturedPlan": {
            /**
             * Format: int64
             * @description When it was last captured.
             */
            captured_unix_ms: number;
            /**
             * Format: int64
             * @description How often it was captured.
             */
            captures: number;
            /** @description The database. */
            database: string;
            /** @description What was found in it; `plan-changed` says how it differs from the plan that the statement had before. */
            findings: components["schemas"]["monitor.Finding"][];
            /** @description The statement's shape: 16 hexadecimal digits. */
            fingerprint: string;
            /**
             * Format: int64
             * @description When this plan was first captured.
             */
            first_captured_unix_ms: number;
            /** @description The plan as PostgreSQL's JSON, as it was last captured. */
            plan_json: string;
            /** @description The shape of the plan, without costs and values: 16 hexadecimal digits. */
            plan_shape: string;
            /** @description The same as text, in PostgreSQL's manner. */
            plan_text: string;
            /** @description Whether lists of constants in the statement were shortened to one for it. */
            shortened: boolean;
        };
        /** @description Something in a plan that is worth a person's time. */
        "monitor.Finding": {
            /** @description The figures that it rests on. */
            figures: {
                [key: string]: number;
            };
            /** @description What can be done about it. */
            hint: string;
            /**
             * Format: int32
             * @description The node that it is about. Not set: the whole plan.
             */
            node?: number | null;
            /** @description How much it matters. */
            severity: components["schemas"]["common.Severity"];
            /** @description Its name, as the guide lists it, such as `rows-misestimated`. */
            slug: string;
            /** @description What was found, in one sentence. */
            text: string;
        };
        /** @description What is expected at one moment. */
        "monitor.ForecastPoint": {
            /**
             * Format: int64
             * @description The moment.
             */
            at_unix_ms: number;
            /**
             * Format: double
             * @description Of twenty futures one is higher.
             */
            high: number;
            /**
             * Format: double
             * @description What is likely.
             */
            likely: number;
            /**
             * Format: double
             * @description Of twenty futures one is lower.
             */
            low: number;
        };
        /** @description What came in from one gateway process. */
        "monitor.GatewayIntake": {
            /**
             * Format: int64
             * @description Messages of it that never arrived.
             */
            batches_lost_total: number;
            /**
             * Format: int64
             * @description Messages received from it.
             */
            batches_received_total: number;
            /**
             * Format: int64
             * @description Query events that it dropped before sending, as it last reported.
             */
            events_dropped_total: number;
            /**
             * Format: int64
             * @description Query events in messages of it that were never counted.
             */
            events_lost_total: number;
            /**
             * Format: int64
             * @description Query events received from it.
             */
            events_received_total: number;
            /** @description The process: a name that a restart changes. */
            instance: string;
            /**
             * Format: int64
             * @description When it was last heard of.
             */
            last_seen_unix_ms: number;
        };
        /** @description What is expected of a figure. */
        "monitor.GetForecastResponse": {
            /**
             * Format: double
             * @description The figure now, without its noise.
             */
            level: number;
            /**
             * Format: double
             * @description How much it grows a day.
             */
            per_day: number;
            /** @description What is expected, in the order of time. */
            points: components["schemas"]["monitor.ForecastPoint"][];
            /** @description Why nothing can be said, in words. Empty: something can. */
            reason: string;
            runs_out?: components["schemas"]["monitor.RunsOut"] | null;
            /** @description The periods that it follows, in hours. */
            seasons_hours: number[];
            /** @description Whether that growth can be told from none. */
            trend_told: boolean;
            /**
             * Format: double
             * @description What was watched, in days.
             */
            watched_days: number;
        };
        /** @description How many calls took how long, span by span. */
        "monitor.GetHeatmapResponse": {
            /** @description Up to how many milliseconds each count goes, ascending. */
            bounds_ms: number[];
            /** @description Why figures are missing: the store is away, and this is only what was counted since. Empty: none are. */
            missing: string;
            /** @description In order of time. A span in which nothing ran is left out. */
            spans: components["schemas"]["monitor.HeatmapSpan"][];
        };
        /** @description What came in, and what is known not to have: by all monitors together, from the gateways of the last seven days. */
        "monitor.GetIntakeResponse": {
            /**
             * Format: int64
             * @description Messages that never arrived, found by gaps in the numbers that each gateway gives them.
             */
            batches_lost_total: number;
            /**
             * Format: int64
             * @description Messages that could not be read.
             */
            batches_malformed_total: number;
            /**
             * Format: int64
             * @description Messages received, each a batch of query events.
             */
            batches_received_total: number;
            /**
             * Format: int64
             * @description Different shapes of statement known now.
             */
            distinct_fingerprints: number;
            /**
             * Format: int64
             * @description Query events that gateways dropped before sending, because their buffer was full, as they report it.
             */
            events_dropped_total: number;
            /**
             * Format: int64
             * @description Query events in messages that were sent and never counted.
             */
            events_lost_total: number;
            /**
             * Format: int64
             * @description Query events received.
             */
            events_received_total: number;
            /** @description The same for each gateway process heard of. */
            gateways: components["schemas"]["monitor.GatewayIntake"][];
        };
        /** @description The servers, and the host of the monitor. */
        "monitor.GetServerResponse": {
            host?: components["schemas"]["monitor.Host"] | null;
            /** @description One for each server that is watched. */
            servers: components["schemas"]["monitor.Server"][];
        };
        /** @description How statements fared, span by span. */
        "monitor.GetTimelineResponse": {
            /** @description Why figures are missing: the store is away, and this is only what was counted since. Empty: none are. */
            missing: string;
            /** @description In order of time. A span in which nothing ran is left out. */
            spans: components["schemas"]["monitor.TimelineSpan"][];
        };
        /** @description The calls of one span of time by how long they took. */
        "monitor.HeatmapSpan": {
            /**
             * @description Calls that took more than the bound before and at most this one, for each bound; and those that took longer than the
             *     last. A call that took up to two percent more than a bound may count as one that kept it.
             */
            counts: number[];
            /**
             * Format: int64
             * @description When it begins.
             */
            from_unix_ms: number;
            /**
             * Format: int64
             * @description When it ends.
             */
            to_unix_ms: number;
        };
        /** @description The machine that the monitor runs on. */
        "monitor.Host": {
            /**
             * Format: int32
             * @description Cores.
             */
            cores: number;
            /**
             * Format: double
             * @description The part of all cores that was busy between the two latest readings. Below 0: not known.
             */
            cpu_ratio: number;
            /** @description Disks that are looked after. */
            disks: components["schemas"]["monitor.HostDisk"][];
            /**
             * Format: double
             * @description Processes that run or want to, on average over a minute.
             */
            load_1m: number;
            /**
             * Format: int64
             * @description Memory that can be had without swapping.
             */
            memory_available_bytes: number;
            /**
             * Format: int64
             * @description Memory.
             */
            memory_total_bytes: number;
            /**
             * Format: int64
             * @description When this was read. 0: never.
             */
            read_unix_ms: number;
        };
        /** @description A file system. */
        "monitor.HostDisk": {
            /**
             * Format: int64
             * @description What can still be written by others than root.
             */
            available_bytes: number;
            /** @description Why it cannot be read. Empty: it can. */
            error: string;
            /** @description A path on it. */
            path: string;
            /**
             * Format: int64
             * @description Its size.
             */
            total_bytes: number;
            /** @description The server whose data it holds. Empty: it is one of `monitor.disks`. */
            upstream: string;
            /**
             * Format: int64
             * @description What is used.
             */
            used_bytes: number;
        };
        /** @description Sessions. */
        "monitor.ListActivityResponse": {
            /** @description Those in the oldest transactions first, at most 200 of a server. */
            sessions: components["schemas"]["monitor.ServerSession"][];
        };
        /** @description Who holds others up. */
        "monitor.ListBlockingResponse": {
            /** @description One for each session at the root of a chain, the longest wait first. */
            chains: components["schemas"]["monitor.BlockingChain"][];
        };
        /** @description The channels, in the order of the settings. */
        "monitor.ListChannelsResponse": {
            /** @description The channels. */
            channels: components["schemas"]["monitor.AlertChannel"][];
        };
        /** @description The rules. */
        "monitor.ListRulesResponse": {
            /** @description Each as it holds for most, followed by how it holds for some projects. */
            rules: components["schemas"]["monitor.AlertRule"][];
        };
        /** @description The silences. */
        "monitor.ListSilencesResponse": {
            /** @description Those that end last first. */
            silences: components["schemas"]["monitor.Silence"][];
        };
        /** @description Blocks of 8 kB. */
        "monitor.PlanBuffers": {
            /**
             * Format: double
             * @description Of temporary tables, found in or read into memory.
             */
            local: number;
            /**
             * Format: double
             * @description Changed in it.
             */
            shared_dirtied: number;
            /**
             * Format: double
             * @description Found in shared memory.
             */
            shared_hit: number;
            /**
             * Format: double
             * @description Read from outside of it.
             */
            shared_read: number;
            /**
             * Format: double
             * @description Written out of it.
             */
            shared_written: number;
            /**
             * Format: double
             * @description Read from temporary files.
             */
            temp_read: number;
            /**
             * Format: double
             * @description Written to temporary files.
             */
            temp_written: number;
        };
        /**
         * @description One step of a plan. The steps are a list and no tree of messages, because plans can be deeper than readers of messages
         *     go.
         */
        "monitor.PlanNode": {
            /**
             * Format: double
             * @description Rows of the average loop. Not set: it was not run.
             */
            actual_rows?: number | null;
            /** @description The name of that table in the statement. May be empty. */
            alias: string;
            buffers?: components["schemas"]["monitor.PlanBuffers"] | null;
            /** @description The conditions that it applies, each behind its kind: `Filter: (a = 1)`. */
            conditions: string[];
            /**
             * Format: double
             * @description Rows that the planner expected of one loop.
             */
            estimated_rows: number;
            /**
             * Format: double
             * @description The same without what is below it.
             */
            exclusive_ms?: number | null;
            /**
             * Format: int32
             * @description Its place in the list, from 0.
             */
            id: number;
            /**
             * Format: double
             * @description Milliseconds with everything below it, over all loops, by the clock on the wall. Not set: not measured.
             */
            inclusive_ms?: number | null;
            /** @description Its index. May be empty. */
            index: string;
            /** @description How it joins, such as `Inner`, `Left`, `Semi`. Empty: it does not. */
            join_type: string;
            /**
             * Format: double
             * @description How often it was run, by all workers together.
             */
            loops: number;
            /** @description What it does: `Seq Scan`, `Hash Join`, and so on. */
            node_type: string;
            /**
             * Format: int32
             * @description The node that asks it for rows. Not set: the root.
             */
            parent?: number | null;
            /** @description Its table. May be empty. */
            relation: string;
            /** @description What it is to its parent: `Outer`, `Inner`, `Member`, `InitPlan`, `SubPlan`, `Subquery`. Empty at the root. */
            role: string;
            /**
             * Format: double
             * @description Rows that it read and threw away, over all loops.
             */
            rows_removed: number;
            /** @description The schema of its table. May be empty. */
            schema: string;
            /**
             * Format: double
             * @description The planner's cost before the first row.
             */
            startup_cost: number;
            /**
             * Format: double
             * @description The planner's cost of one loop.
             */
            total_cost: number;
        };
        /** @description A level of latency that gave way to another. */
        "monitor.QueryChange": {
            /**
             * Format: double
             * @description Milliseconds of a call since.
             */
            after_ms: number;
            /**
             * Format: int64
             * @description When the new level began.
             */
            at_unix_ms: number;
            /**
             * Format: double
             * @description Milliseconds of a call before.
             */
            before_ms: number;
            /** @description The database that it runs on. */
            database: string;
            /**
             * Format: double
             * @description How many times the one before.
             */
            factor: number;
            /** @description The shape: 16 hexadecimal digits. */
            fingerprint: string;
            /**
             * Format: int64
             * @description When it was found.
             */
            found_unix_ms: number;
            /** @description Identifies this change: a UUID. */
            id: string;
        };
        /**
         * @description One shape of statement on one database, and how it fared in the time asked for.
         *
         *     A duration is that of a call as its client feels it: the wait for a connection, the work of the server, the transfer.
         */
        "monitor.QueryStatistics": {
            /**
             * Format: int64
             * @description Bytes of statements and parameters.
             */
            bytes_in: number;
            /**
             * Format: int64
             * @description Bytes of rows.
             */
            bytes_out: number;
            /**
             * Format: int64
             * @description Calls answered from the cache.
             */
            cache_hits: number;
            /**
             * Format: int64
             * @description Calls that the cache could have answered, had it known.
             */
            cache_misses: number;
            /**
             * Format: int64
             * @description Calls that ended, failed ones included.
             */
            calls: number;
            /** @description The database it ran on. */
            database: string;
            /**
             * Format: double
             * @description The part of `total_ms` that was spent waiting for clients to take rows.
             */
            drain_ms: number;
            /**
             * Format: double
             * @description 95 of 100 calls waited at most this many milliseconds for their client.
             */
            drain_p95_ms: number;
            /**
             * Format: int64
             * @description Calls that failed.
             */
            errors: number;
            /** @description Failed calls by the class of their SQLSTATE, the first two characters. */
            errors_by_class: {
                [key: string]: number;
            };
            /** @description The shape: 16 hexadecimal digits. */
            fingerprint: string;
            /**
             * Format: int64
             * @description When the shape was first seen.
             */
            first_seen_unix_ms: number;
            /** @description What sort of statement it is. */
            kind: components["schemas"]["common.StatementKind"];
            /**
             * Format: int64
             * @description When the shape was last seen.
             */
            last_seen_unix_ms: number;
            /**
             * Format: double
             * @description Milliseconds of the longest call.
             */
            max_ms: number;
            /**
             * Format: double
             * @description Milliseconds of the average call.
             */
            mean_ms: number;
            /**
             * Format: double
             * @description Half of the calls took at most this many milliseconds. The percentiles are estimates within one percent.
             */
            p50_ms: number;
            /**
             * Format: double
             * @description 95 of 100 calls took at most this many milliseconds.
             */
            p95_ms: number;
            /**
             * Format: double
             * @description 99 of 100 calls took at most this many milliseconds.
             */
            p99_ms: number;
            /** @description The text without its literals. Empty where no gateway has told it yet. */
            query: string;
            /**
             * Format: int64
             * @description Rows returned or changed in all calls.
             */
            rows: number;
            /**
             * Format: double
             * @description The part of `total_ms` in which the server worked.
             */
            server_ms: number;
            /**
             * Format: double
             * @description For 95 of 100 calls the server worked at most this many milliseconds.
             */
            server_p95_ms: number;
            /**
             * Format: int64
             * @description Calls that took at least as long as a slow statement.
             */
            slow_calls: number;
            /**
             * Format: double
             * @description Milliseconds of all calls together.
             */
            total_ms: number;
            /**
             * Format: double
             * @description The part of `total_ms` that was spent waiting for a connection.
             */
            wait_ms: number;
            /**
             * Format: double
             * @description 95 of 100 calls waited at most this many milliseconds for a connection.
             */
            wait_p95_ms: number;
            /** @description Whether it may change something. */
            writes: boolean;
        };
        /**
         * @description On which side of a bound things are bad.
         * @enum {string}
         */
        "monitor.RuleDirection": "unspecified" | "above" | "below";
        /** @description When something runs out. */
        "monitor.RunsOut": {
            /**
             * Format: double
             * @description The likely number of days.
             */
            days: number;
            /** @description Whether it does within what can be seen; only then are the days below told. */
            expected: boolean;
            /**
             * Format: double
             * @description Hardly later. 0: that cannot be seen from here.
             */
            high_days: number;
            /**
             * Format: double
             * @description Hardly earlier.
             */
            low_days: number;
            /** @description In words, with the interval and the pace. */
            note: string;
        };
        /** @description One PostgreSQL server. What could not be read is empty; `missing` and `probes` say why. */
        "monitor.Server": {
            checkpoints?: components["schemas"]["monitor.ServerCheckpoints"] | null;
            /**
             * Format: int32
             * @description Connections of clients.
             */
            connections: number;
            /**
             * Format: int32
             * @description Connections of clients that are possible.
             */
            connections_max: number;
            /**
             * Format: double
             * @description The server time that all probes take, as a part of one core, at their present pace.
             */
            cost_ratio: number;
            /** @description Each database. */
            databases: components["schemas"]["monitor.ServerDatabase"][];
            /** @description Why not. Empty where it does. */
            error: string;
            /** @description Input and output by who did it, from PostgreSQL 16 on. */
            io: components["schemas"]["monitor.ServerIo"][];
            /** @description Whether it follows another. */
            is_standby: boolean;
            /** @description Whether it lets the monitor in and answers. False as long as nothing is known. */
            is_up: boolean;
            /** @description What the monitor may not see or does not find, in words. */
            missing: string[];
            /** @description Tables of the watched database with the oldest transaction ids. */
            oldest_tables: components["schemas"]["monitor.ServerTableAge"][];
            /** @description What is asked, how often, and what came of it. */
            probes: components["schemas"]["monitor.ServerProbe"][];
            recovery?: components["schemas"]["monitor.ServerRecovery"] | null;
            /** @description The largest tables of the watched database. */
            relations: components["schemas"]["monitor.ServerRelation"][];
            /** @description Servers that follow this one. */
            replicas: components["schemas"]["monitor.ServerReplica"][];
            /** @description Sessions by what they do. */
            sessions: components["schemas"]["monitor.ServerSessions"][];
            /** @description Settings that are other than PostgreSQL's own, and those that matter most. */
            settings: components["schemas"]["monitor.ServerSetting"][];
            /**
             * Format: int64
             * @description Since when it is up, or is not. 0: nothing is known yet.
             */
            since_unix_ms: number;
            /** @description What it holds back for those who follow. */
            slots: components["schemas"]["monitor.ServerSlot"][];
            /**
             * Format: int64
             * @description When it was started.
             */
            started_unix_ms: number;
            /** @description The statements that took most time, where `pg_stat_statements` is there. */
            statements: components["schemas"]["monitor.ServerStatement"][];
            /** @description Its name: `host:port`. */
            upstream: string;
            /** @description Its version, such as `15.4`. */
            version: string;
        };
        /** @description Checkpoints and the log since their counters were reset. */
        "monitor.ServerCheckpoints": {
            /**
             * Format: int64
             * @description Buffers that the background writer wrote.
             */
            buffers_cleaned: number;
            /**
             * Format: int64
             * @description Buffers that they wrote.
             */
            buffers_written: number;
            /**
             * Format: int64
             * @description How often that stopped because it had written too many.
             */
            clean_stops: number;
            /**
             * Format: int64
             * @description Those that were asked for, most often by too much log.
             */
            requested: number;
            /**
             * Format: int64
             * @description When the counters were reset.
             */
            reset_unix_ms: number;
            /**
             * Format: double
             * @description Milliseconds of syncing.
             */
            sync_ms: number;
            /**
             * Format: int64
             * @description Those that came by time.
             */
            timed: number;
            /**
             * Format: int64
             * @description Bytes of log written.
             */
            wal_bytes: number;
            /**
             * Format: double
             * @description Bytes of log written a second, between the two latest readings.
             */
            wal_bytes_per_second: number;
            /**
             * Format: double
             * @description Milliseconds of writing.
             */
            write_ms: number;
        };
        /** @description One database of a server. Rates are those between the two latest readings. */
        "monitor.ServerDatabase": {
            /**
             * Format: double
             * @description Blocks that were, a second.
             */
            blocks_hit_per_second: number;
            /**
             * Format: double
             * @description Blocks that were not in the buffers, a second.
             */
            blocks_read_per_second: number;
            /**
             * Format: double
             * @description The part of the blocks read in the last minutes that were in the buffers. Below 0: too few were read to say.
             */
            buffer_hit_ratio: number;
            /**
             * Format: double
             * @description Committed transactions a second.
             */
            commits_per_second: number;
            /**
             * Format: int64
             * @description Committed transactions since the counters were reset.
             */
            commits_total: number;
            /**
             * Format: int64
             * @description Queries that were cancelled on a standby because they were in the way, since the counters were reset.
             */
            conflicts_total: number;
            /** @description Its name. */
            database: string;
            /**
             * Format: int64
             * @description Deadlocks in the last minutes.
             */
            deadlocks_lately: number;
            /**
             * Format: int64
             * @description Deadlocks since the counters were reset.
             */
            deadlocks_total: number;
            /**
             * Format: int64
             * @description The age of its oldest multixact id.
             */
            multixact_id_age: number;
            /**
             * Format: int64
             * @description When its counters were reset. 0: never.
             */
            reset_unix_ms: number;
            /**
             * Format: int64
             * @description How often a reset of its counters was noticed.
             */
            resets_seen: number;
            /**
             * Format: double
             * @description Rolled back transactions a second.
             */
            rollbacks_per_second: number;
            /**
             * Format: int64
             * @description Rolled back transactions since the counters were reset.
             */
            rollbacks_total: number;
            /**
             * Format: int32
             * @description Sessions in it.
             */
            sessions: number;
            /**
             * Format: int64
             * @description Its size. 0: not known.
             */
            size_bytes: number;
            /**
             * Format: double
             * @description Bytes written to temporary files, a second.
             */
            temp_bytes_per_second: number;
            /**
             * Format: int64
             * @description Temporary files since the counters were reset.
             */
            temp_files_total: number;
            /**
             * Format: int64
             * @description The age of its oldest transaction id, in transactions.
             */
            transaction_id_age: number;
            /**
             * Format: double
             * @description The part of the way to a forced shutdown by either that is gone.
             */
            wraparound_ratio: number;
        };
        /** @description Input and output of one sort of process on one sort of thing, since the counters were reset. */
        "monitor.ServerIo": {
            /** @description Such as `client backend`. */
            backend_type: string;
            /** @description Such as `normal`, `vacuum`. */
            context: string;
            /**
             * Format: int64
             * @description Blocks pushed out of the buffers.
             */
            evictions: number;
            /**
             * Format: int64
             * @description Blocks by which relations grew.
             */
            extends: number;
            /**
             * Format: int64
             * @description Calls of fsync.
             */
            fsyncs: number;
            /**
             * Format: int64
             * @description Blocks found in the buffers.
             */
            hits: number;
            /** @description Such as `relation`. */
            object: string;
            /**
             * Format: int64
             * @description Bytes read.
             */
            read_bytes: number;
            /**
             * Format: double
             * @description Milliseconds of reading; 0 where the server does not measure it.
             */
            read_ms: number;
            /**
             * Format: int64
             * @description Reads.
             */
            reads: number;
            /**
             * Format: int64
             * @description Bytes written.
             */
            write_bytes: number;
            /**
             * Format: double
             * @description Milliseconds of writing; 0 where the server does not measure it.
             */
            write_ms: number;
            /**
             * Format: int64
             * @description Writes.
             */
            writes: number;
        };
        /** @description One thing that is asked again and again. */
        "monitor.ServerProbe": {
            /**
             * Format: int64
             * @description When it was answered last. 0: never.
             */
            answered_unix_ms: number;
            /**
             * Format: int64
             * @description Answers since the monitor started.
             */
            answers_total: number;
            /** @description Why it was not answered the last time. Empty: it was. */
            error: string;
            /**
             * Format: double
             * @description Seconds between two times at the present pace.
             */
            every_seconds: number;
            /**
             * Format: int64
             * @description Failures since the monitor started, time-outs included.
             */
            failures_total: number;
            /** @description Which, such as `activity`. */
            name: string;
            /**
             * Format: int64
             * @description When it is asked next. 0: it is being asked, or waits for the server.
             */
            next_unix_ms: number;
            /**
             * Format: double
             * @description The longest time it may take, in seconds.
             */
            timeout_seconds: number;
            /**
             * Format: double
             * @description The server time of that answer in milliseconds, as the server measured it.
             */
            took_ms: number;
        };
        /** @description How a standby follows. */
        "monitor.ServerRecovery": {
            /** @description Whether replay is paused. */
            is_paused: boolean;
            /** @description Whether it is connected to the one it follows. */
            is_streaming: boolean;
            /**
             * Format: double
             * @description Seconds that it is behind; 0 where it has replayed all that it got and is connected. Below 0: not known.
             */
            lag_seconds: number;
            /** @description The name by which it follows. */
            name: string;
            /**
             * Format: int64
             * @description Bytes that it got and has yet to replay.
             */
            replay_bytes: number;
        };
        /** @description A table and what belongs to it. */
        "monitor.ServerRelation": {
            /** @description Its name with its schema. */
            relation: string;
            /**
             * Format: double
             * @description Rows as last estimated. Below 0: never estimated.
             */
            rows: number;
            /**
             * Format: int64
             * @description Itself.
             */
            table_bytes: number;
            /**
             * Format: int64
             * @description With its indexes and what is stored out of line.
             */
            total_bytes: number;
        };
        /** @description A server that follows. */
        "monitor.ServerReplica": {
            /** @description Where it comes from. Empty: through a socket. */
            address: string;
            /**
             * Format: int64
             * @description Bytes of the log that it has yet to replay.
             */
            lag_bytes: number;
            /**
             * Format: double
             * @description Seconds that what it has replayed is behind. Below 0: not known.
             */
            lag_seconds: number;
            /** @description The name by which it follows. */
            name: string;
            /** @description Such as `streaming`. */
            state: string;
            /** @description Such as `async`. */
            sync_state: string;
        };
        /** @description One session. */
        "monitor.ServerSession": {
            /** @description The address of its client. Empty: a socket, or not to be seen. */
            address: string;
            /** @description How its client calls itself. */
            application: string;
            /** @description Its database. */
            database: string;
            /** @description The statement's number: 16 hexadecimal digits. Empty where the text is. */
            fingerprint: string;
            /**
             * Format: int32
             * @description Its process. 0: a prepared transaction, which has none.
             */
            pid: number;
            /** @description Its role. */
            role: string;
            /** @description Its state in PostgreSQL's words. */
            state: string;
            /**
             * Format: double
             * @description Seconds since its state changed.
             */
            state_seconds: number;
            /** @description Its present or last statement, without literals. Empty where it cannot be told without. */
            text: string;
            /** @description The trace (W3C) in the statement's comment. Empty: none. */
            traceparent: string;
            /**
             * Format: double
             * @description Seconds since its transaction began. 0: it is in none.
             */
            transaction_seconds: number;
            /** @description Its server. */
            upstream: string;
            /** @description What it waits for. */
            wait_event: string;
            /** @description What sort of thing it waits for. Empty: for nothing. */
            wait_event_type: string;
        };
        /** @description Sessions that do the same. */
        "monitor.ServerSessions": {
            /**
             * Format: int32
             * @description How many.
             */
            count: number;
            /** @description Their database. Empty: of none. */
            database: string;
            /** @description Their state in PostgreSQL's words, such as `active`. Empty: not known, or no session of a client. */
            state: string;
            /** @description What they wait for. */
            wait_event: string;
            /** @description What sort of thing they wait for, such as `Lock`. Empty: for nothing. */
            wait_event_type: string;
        };
        /** @description A setting of the server. */
        "monitor.ServerSetting": {
            /** @description Whether it is PostgreSQL's own. */
            is_default: boolean;
            /** @description Whether it takes a restart to become what the file says. */
            is_pending_restart: boolean;
            /** @description Its name. */
            name: string;
            /** @description Where it comes from, such as `configuration file`. */
            source: string;
            /** @description The unit of the value. Empty: none. */
            unit: string;
            /** @description Its value; commands and everything that may hold a secret are not told. */
            value: string;
        };
        /** @description A replication slot. */
        "monitor.ServerSlot": {
            /** @description Whether anybody uses it. */
            is_active: boolean;
            /** @description `physical` or `logical`. */
            kind: string;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description Bytes of the log that are kept for it.
             */
            retained_bytes: number;
            /** @description Such as `reserved`, `lost`. */
            wal_status: string;
        };
        /** @description One statement as `pg_stat_statements` counts it. */
        "monitor.ServerStatement": {
            /**
             * Format: int64
             * @description Blocks found in the buffers.
             */
            blocks_hit: number;
            /**
             * Format: int64
             * @description Blocks not found there.
             */
            blocks_read: number;
            /**
             * Format: int64
             * @description Calls.
             */
            calls: number;
            /** @description Its database. */
            database: string;
            /** @description Weir's own number for it: 16 hexadecimal digits. Empty where the text is. */
            fingerprint: string;
            /**
             * Format: double
             * @description Milliseconds of the longest call.
             */
            max_ms: number;
            /**
             * Format: double
             * @description Milliseconds of the average call.
             */
            mean_ms: number;
            /**
             * Format: int64
             * @description PostgreSQL's own number for it.
             */
            query_id: number;
            /** @description Who ran it. */
            role: string;
            /**
             * Format: int64
             * @description Rows of all calls.
             */
            rows: number;
            /** @description Its text without literals. Empty: not read yet, or not to be seen. */
            text: string;
            /**
             * Format: double
             * @description Milliseconds of all calls.
             */
            total_ms: number;
            /**
             * Format: int64
             * @description Bytes of the log that it wrote.
             */
            wal_bytes: number;
        };
        /** @description The age of a table. */
        "monitor.ServerTableAge": {
            /**
             * Format: int64
             * @description The age of its oldest multixact id.
             */
            multixact_id_age: number;
            /**
             * Format: int64
             * @description Its size as last estimated.
             */
            size_bytes: number;
            /** @description Its name with its schema. */
            table: string;
            /**
             * Format: int64
             * @description The age of its oldest transaction id.
             */
            transaction_id_age: number;
        };
        /** @description Alerts that nobody wants to be told of for a while. They fire all the same. */
        "monitor.Silence": {
            /** @description Who wants it. */
            author: string;
            /** @description Why. */
            comment: string;
            /**
             * Format: int64
             * @description When it ends.
             */
            ends_unix_ms: number;
            /** @description Identifies it: a UUID. Empty: a new one. */
            id: string;
            /**
             * @description What fits: `rule`, `project`, `severity`, `fingerprint` or a label, with a pattern as in the labels of a rule. All
             *     have to fit.
             */
            matchers: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description When it begins. 0: now.
             */
            starts_unix_ms: number;
        };
        /** @description How the attempt went. */
        "monitor.TestChannelResponse": {
            /** @description Whether the receiver accepted it. */
            accepted: boolean;
            /** @description What the receiver said, or why it could not be asked: one line, without secrets. */
            answer: string;
            /**
             * Format: int32
             * @description HTTP's status, or SMTP's code. 0: there was no answer.
             */
            status: number;
            /**
             * Format: int32
             * @description How long it took.
             */
            took_ms: number;
        };
        /** @description One span of time. */
        "monitor.TimelineSpan": {
            /**
             * Format: int64
             * @description When it begins.
             */
            from_unix_ms: number;
            statistics?: components["schemas"]["monitor.QueryStatistics"] | null;
            /**
             * Format: int64
             * @description When it ends.
             */
            to_unix_ms: number;
        };
        /** @description The windows of a project, and what they come to now. */
        "scheduler.ListWindowsResponse": {
            /** @description Whether one is open now. */
            is_open: boolean;
            /**
             * Format: int64
             * @description When the next one opens. 0: one is open, or none ever does.
             */
            next_open_unix_ms: number;
            /**
             * Format: int64
             * @description The time at the server that this is about.
             */
            now_unix_ms: number;
            /**
             * Format: int64
             * @description When the present opening ends; windows that touch are one. 0: none is open, or it has no end.
             */
            open_until_unix_ms: number;
            /** @description The windows: those of operators and of the file, then learned ones, then the default; by name. */
            windows: components["schemas"]["scheduler.Window"][];
        };
        /**
         * @description What to do about times that passed while no scheduler ran.
         * @enum {string}
         */
        "scheduler.MisfirePolicy": "unspecified" | "skip" | "run_once";
        /** @description One request for work and what became of it. */
        "scheduler.Run": {
            /**
             * Format: int32
             * @description Attempts begun so far.
             */
            attempts: number;
            /** @description True where it only plans and changes nothing. */
            dry_run: boolean;
            /** @description What it changed, with the measured state before and after: a JSON object. Empty until it has succeeded. */
            effect_json: string;
            /**
             * Format: int64
             * @description When it ended. 0: it has not.
             */
            ended_unix_ms: number;
            /** @description Why the last attempt failed: one line. Empty: none has. */
            error: string;
            /** @description The same as a slug of `docs/reference/errors.md`. Empty: no attempt has failed. */
            error_slug: string;
            /** @description Identifies it, here and as the job's id at the worker: a UUID. */
            id: string;
            /** @description What is done. */
            operation: string;
            /** @description True where no window was open: only what cannot wait is done. */
            outside_window: boolean;
            /** @description Parameters of the operation: a JSON object. Empty: none. */
            parameters_json: string;
            progress?: components["schemas"]["common.Progress"] | null;
            /** @description The project on whose behalf it runs. */
            project: string;
            /** @description Who asked for it: `schedule`, or the name of a person or token. */
            requested_by: string;
            /**
             * Format: int64
             * @description When it was requested.
             */
            requested_unix_ms: number;
            /** @description The schedule that requested it. Empty: a person did, or the schedule is gone. */
            schedule_id: string;
            /**
             * Format: int64
             * @description When a worker began it, for the first time. 0: none has.
             */
            started_unix_ms: number;
            /** @description Where it stands. */
            state: components["schemas"]["common.JobState"];
            /**
             * Format: int64
             * @description When the window ends that it was requested in: what is not done by then is left. 0: it has no such end.
             */
            window_ends_unix_ms: number;
        };
        /** @description One thing to be done again and again. */
        "scheduler.Schedule": {
            /**
             * Format: int32
             * @description Attempts of each run at most. 0: the worker's choice.
             */
            attempt_max: number;
            /**
             * Format: int32
             * @description A run that no worker has begun after so many milliseconds is not begun any more. 0: one hour.
             */
            begin_within_ms: number;
            /**
             * @description When: a cron expression of five fields (minute, hour, day of the month, month, day of the week), or of six with
             *     seconds first.
             */
            cron: string;
            /** @description Identifies it: a UUID. Given by the server. */
            id: string;
            /** @description True where its runs are requested without regard to the windows: whatever they do, they do at any time. */
            ignores_windows: boolean;
            /**
             * Format: int32
             * @description Each run is requested up to this many milliseconds late, by chance, so that many schedules do not start at once. 0:
             *     on time.
             */
            jitter_ms: number;
            last_run?: components["schemas"]["scheduler.Run"] | null;
            /** @description What to do about times that passed while no scheduler ran. */
            misfire: components["schemas"]["scheduler.MisfirePolicy"];
            /** @description Its name, unique within the project. */
            name: string;
            /**
             * Format: int64
             * @description When it requests its next run. 0: never, or paused. Given by the server.
             */
            next_run_unix_ms: number;
            /** @description What to do, such as `analyze`. Workers take the operations that they know. */
            operation: string;
            /** @description Parameters of the operation: a JSON object. Empty: none. */
            parameters_json: string;
            /** @description True while it is paused. */
            paused: boolean;
            /** @description The project it belongs to. Empty: the project `default`. */
            project: string;
            /** @description The time zone in which `cron` is meant, such as `Europe/Vienna`. Empty: UTC. */
            time_zone: string;
        };
        /**
         * @description A day of the week.
         * @enum {string}
         */
        "scheduler.Weekday": "unspecified" | "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday";
        /** @description When maintenance may run: hours of some days, in one time zone. */
        "scheduler.Window": {
            /** @description True while it does not count. */
            disabled: boolean;
            /** @description When it closes, such as `06:00`. Not after `start`: on the next day; the same: after a whole day. */
            end: string;
            /** @description Whether runs of its project are held to it now. Given by the server. */
            in_force: boolean;
            /** @description Its name, unique within the project. */
            name: string;
            /** @description The project it belongs to. Empty: the project `default`. */
            project: string;
            /** @description Where it comes from. Given by the server. */
            source: components["schemas"]["scheduler.WindowSource"];
            /** @description When it opens: local time of day, such as `22:00`. */
            start: string;
            /** @description The time zone in which its hours are meant, such as `Europe/Vienna`. Empty: UTC. */
            time_zone: string;
            /** @description The days on which it opens. None: every day. */
            weekdays: components["schemas"]["scheduler.Weekday"][];
        };
        /**
         * @description Where a window comes from. Windows of operators and of the settings file count first, then learned ones, then the
         *     default.
         * @enum {string}
         */
        "scheduler.WindowSource": "unspecified" | "default" | "file" | "operator" | "learned";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
