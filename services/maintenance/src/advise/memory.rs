//! Memory of the server: what it keeps, and what its sessions may take. Pure.

use super::advice::{Advice, Confidence, Impact, Object};
use super::facts::Facts;
use super::report::Report;
use super::words::{GB, MB, count, memory, percent, power_of_two, size};

/// More buffers than this bring little, as the system caches files as well.
const SHARED_BUFFERS_MAX: f64 = 16.0 * GB;
/// So many temporary files an hour are more than a report at night.
const TEMP_FILES_HOURLY: f64 = 10.0;
/// What is written to a temporary file takes more room in memory.
const DISK_TO_MEMORY: f64 = 2.5;
/// A sort may have several nodes, and a server several statements a session.
const WORK_MEM_USES: f64 = 3.0;
/// Buffers below this do not need pages of another size.
const HUGE_PAGES_MIN: f64 = 8.0 * GB;

pub(super) fn find(facts: &Facts, report: &mut Report) {
    let Some(memory) = facts.machine.memory_bytes else {
        for setting in [
            "shared_buffers",
            "effective_cache_size",
            "work_mem",
            "maintenance_work_mem",
            "autovacuum_work_mem",
        ] {
            report.leave(
                setting,
                "the memory of the server's machine is not known; set maintenance.server_memory_bytes",
            );
        }
        return huge_pages(facts, report);
    };
    shared_buffers(facts, memory, report);
    effective_cache_size(facts, memory, report);
    work_mem(facts, memory, report);
    maintenance_work_mem(facts, memory, report);
    autovacuum_work_mem(facts, memory, report);
    huge_pages(facts, report);
}

fn shared_buffers(facts: &Facts, ram: f64, report: &mut Report) {
    let Some(setting) = facts.open("shared_buffers", report) else {
        return;
    };
    // What holds all data has no use for more.
    let enough = facts.data_bytes.map_or(f64::MAX, |data| power_of_two(data * 1.2));
    let target = (ram / 4.0).min(SHARED_BUFFERS_MAX).min(enough).max(128.0 * MB);
    let (now, by_hand) = (setting.bytes(), facts.is_by_hand(setting));
    let (low, high) = if by_hand { (4.0, 0.6) } else { (2.0, 0.5) };
    let too_much = now > ram * high;
    if !too_much && now * low > target {
        if by_hand && now * 2.0 < target {
            report.leave(
                "shared_buffers",
                format!(
                    "{} was set by hand and is not far from {}",
                    setting.shown,
                    memory(target)
                ),
            );
        }
        return;
    }
    let (hit, read) = (facts.workload.get("blocks_hit"), facts.workload.get("blocks_read"));
    let hits = if hit + read > 0.0 {
        format!(
            "; {} of the blocks asked for were found in them",
            percent(hit / (hit + read))
        )
    } else {
        String::new()
    };
    let data = facts
        .data_bytes
        .map_or_else(String::new, |data| format!(" and its data {}", size(data)));
    let reason = format!(
        "shared_buffers is {}, the machine has {}{data}; a quarter of the memory, as far as there is data for it, is {}{hits}",
        setting.shown,
        size(ram),
        memory(target)
    );
    let impact = if too_much { Impact::Danger } else { Impact::High };
    report.add(Advice::setting(
        "shared-buffers",
        setting,
        memory(target),
        impact,
        Confidence::Derived,
        reason,
    ));
}

fn effective_cache_size(facts: &Facts, ram: f64, report: &mut Report) {
    let Some(setting) = facts.open("effective_cache_size", report) else {
        return;
    };
    let now = setting.bytes();
    let (low, high) = if facts.is_by_hand(setting) {
        (0.25, 1.0)
    } else {
        (0.5, 0.9)
    };
    if now >= ram * low && now <= ram * high {
        return;
    }
    let reason = format!(
        "the planner takes {} for what is cached; of {} memory about {} are, in PostgreSQL and in the system together",
        setting.shown,
        size(ram),
        memory(ram * 0.7)
    );
    let advice = Advice::setting(
        "effective-cache-size",
        setting,
        memory(ram * 0.7),
        Impact::Medium,
        Confidence::Derived,
        reason,
    );
    report.add(advice);
}

/// What each session may take, so that all of them together find room.
fn work_mem_room(facts: &Facts, ram: f64) -> f64 {
    let shared = facts
        .setting("shared_buffers")
        .map_or(0.0, super::setting::Setting::bytes);
    let sessions = facts.number("max_connections").max(20.0);
    ((ram - shared).max(ram / 4.0) / sessions / WORK_MEM_USES).max(4.0 * MB)
}

fn work_mem(facts: &Facts, ram: f64, report: &mut Report) {
    let Some(setting) = facts.open("work_mem", report) else {
        return;
    };
    let (now, room) = (setting.bytes(), work_mem_room(facts, ram));
    let sessions = facts.number("max_connections");
    if now * sessions > ram * 2.0 && now > 4.0 * MB {
        let reason = format!(
            "{} sessions with work_mem {} each can ask for {}, and the machine has {}: it would run out of memory; {} leave room for all",
            count(sessions),
            setting.shown,
            size(now * sessions),
            size(ram),
            memory(room)
        );
        return report.add(Advice::setting(
            "work-mem",
            setting,
            memory(room),
            Impact::Danger,
            Confidence::Derived,
            reason,
        ));
    }
    let workload = facts.workload_under("work_mem");
    let (Some(files), bytes) = (workload.hourly("temp_files"), workload.get("temp_bytes")) else {
        return report.leave("work_mem", "temporary files were counted for less than an hour");
    };
    if files < TEMP_FILES_HOURLY {
        return;
    }
    let each = bytes / workload.get("temp_files").max(1.0);
    let target =
        power_of_two(each * DISK_TO_MEMORY).min(power_of_two(room) / if power_of_two(room) > room { 2.0 } else { 1.0 });
    if target < now * 2.0 {
        return report.leave(
            "work_mem",
            format!(
                "{} temporary files an hour, but {} sessions leave no room for more than {}",
                count(files),
                count(sessions),
                memory(room)
            ),
        );
    }
    let reason = format!(
        "{} temporary files an hour, of {} each, were written because work_mem is {}; {} sessions with {} find room in {}",
        count(files),
        size(each),
        setting.shown,
        count(sessions),
        memory(target),
        size(ram)
    );
    report.add(Advice::setting(
        "work-mem",
        setting,
        memory(target),
        Impact::High,
        Confidence::Measured,
        reason,
    ));
}

fn maintenance_target(facts: &Facts, ram: f64) -> f64 {
    // VACUUM could not use more than 1 GB before PostgreSQL 17.
    let most = if facts.version >= 170_000 { 2.0 * GB } else { GB };
    (ram / 16.0).clamp(64.0 * MB, most)
}

fn maintenance_work_mem(facts: &Facts, ram: f64, report: &mut Report) {
    let Some(setting) = facts.open("maintenance_work_mem", report) else {
        return;
    };
    let now = setting.bytes();
    let largest = facts.tables.iter().map(|table| table.size_bytes).fold(0.0, f64::max);
    let target = maintenance_target(facts, ram);
    let low = if facts.is_by_hand(setting) { 4.0 } else { 2.0 };
    if now * low > target || largest < 4.0 * now {
        return;
    }
    let reason = format!(
        "maintenance_work_mem is {} and the largest table {}: VACUUM and CREATE INDEX take more passes than they would with {}, a sixteenth of the memory",
        setting.shown,
        size(largest),
        memory(target)
    );
    let advice = Advice::setting(
        "maintenance-work-mem",
        setting,
        memory(target),
        Impact::Medium,
        Confidence::Derived,
        reason,
    );
    report.add(advice);
}

/// Each worker may take as much as a session that maintains, unless it is told otherwise.
fn autovacuum_work_mem(facts: &Facts, ram: f64, report: &mut Report) {
    let Some(setting) = facts.open("autovacuum_work_mem", report) else {
        return;
    };
    let Some(maintenance) = facts.setting("maintenance_work_mem") else {
        return;
    };
    let workers = facts.number("autovacuum_max_workers").max(1.0);
    let each = if setting.number() < 0.0 {
        maintenance.bytes()
    } else {
        setting.bytes()
    };
    if each * workers <= ram / 4.0 {
        return;
    }
    let target = (ram / 8.0 / workers).clamp(32.0 * MB, GB);
    if target >= each {
        return;
    }
    let reason = format!(
        "{} autovacuum workers with {} each can take {} of {}; with {} they take an eighth of it at most",
        count(workers),
        size(each),
        size(each * workers),
        size(ram),
        memory(target)
    );
    let advice = Advice::setting(
        "autovacuum-work-mem",
        setting,
        memory(target),
        Impact::Medium,
        Confidence::Derived,
        reason,
    );
    report.add(advice);
}

fn huge_pages(facts: &Facts, report: &mut Report) {
    let Some(buffers) = facts
        .setting("shared_buffers")
        .filter(|buffers| buffers.bytes() >= HUGE_PAGES_MIN)
    else {
        return;
    };
    let Some(setting) = facts.open("huge_pages", report) else {
        return;
    };
    if setting.is("off") {
        let reason = format!(
            "shared_buffers is {}, in pages of 4 kB: every session needs a page table for it; try takes huge pages where the system has some",
            buffers.shown
        );
        let advice = Advice::setting(
            "huge-pages",
            setting,
            "try".to_owned(),
            Impact::Medium,
            Confidence::Derived,
            reason,
        );
        return report.add(advice);
    }
    let status = facts.setting("huge_pages_status").map(|status| status.value.as_str());
    let pages = facts.number("shared_memory_size_in_huge_pages");
    if status != Some("off") || pages <= 0.0 {
        return;
    }
    let reason = format!(
        "huge_pages is {}, but the system had none to give for {}; reserve {} of them, and restart the server",
        setting.shown,
        buffers.shown,
        count(pages)
    );
    let summary = format!("reserve {} huge pages on the server's machine", count(pages));
    let advice = Advice::note(
        "huge-pages-missing",
        Object::server(),
        Impact::Medium,
        Confidence::Measured,
        summary,
        reason,
    );
    report.add(advice.running(format!("sysctl -w vm.nr_hugepages={pages:.0}")));
}
