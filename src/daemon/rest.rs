//! The daemon at rest: what only its start needed is given back to the machine.

use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// Gives back the memory that was needed to read a project and isn't now: what is free in the heap,
/// and the pages of the program's code. Those that are used again come back by themselves, from the
/// same file, one microsecond each.
#[expect(
    unsafe_code,
    reason = "the kernel's and the allocator's calls have no safe name"
)]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, by any thread (malloc_trim(3)).
    unsafe {
        nix::libc::malloc_trim(0);
    }
    for (start, length) in code(&maps()) {
        // SAFETY: the pages are code that nobody writes: they are the same when they are read from
        // the file again, which can't be written while it is carried out.
        let told = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
        if let Err(errno) = told {
            tracing::debug!(%errno, "pages of code stay in memory");
        }
    }
}

fn maps() -> String {
    std::fs::read_to_string("/proc/self/maps").unwrap_or_default()
}

/// The parts of a process's memory that are the code of its own program (`proc_pid_maps(5)`).
fn code(maps: &str) -> Vec<(NonNull<std::ffi::c_void>, usize)> {
    let Ok(program) = std::env::current_exe() else {
        return Vec::new();
    };
    let part = |line: &str| {
        let (words, path) = line.split_at_checked(line.find('/')?)?;
        let mut words = words.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        if words.next()? != "r-xp" || std::path::Path::new(path) != program {
            return None;
        }
        let start = usize::from_str_radix(start, 16).ok()?;
        let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
        Some((NonNull::new(start as *mut _)?, length))
    };
    maps.lines().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_and_works_without_its_pages() {
        let parts = code(&maps());
        let here = give_back as fn() as usize;
        let has = |(start, length): &(NonNull<std::ffi::c_void>, usize)| {
            (start.as_ptr() as usize..).contains(&here)
                && here - (start.as_ptr() as usize) < *length
        };
        assert!(parts.iter().any(has), "{parts:?}");
        give_back();
        assert_eq!(code(&maps()), parts);
    }

    #[test]
    fn nothing_else_is_given_back() {
        let program = std::env::current_exe().unwrap();
        let program = program.display();
        let maps = format!(
            "1000-3000 r--p 00000000 fe:00 12 {program}\n\
             3000-7000 r-xp 00002000 fe:00 12                     {program}\n\
             7000-8000 r--p 00006000 fe:00 12 {program}\n\
             8000-9000 rw-p 00007000 fe:00 12 {program}\n\
             a000-b000 r-xp 00000000 fe:00 13 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
             c000-d000 r-xp 00000000 fe:00 12 {program} (deleted)\n\
             e000-f000 r-xp 00000000 00:00 0 [vdso]\n"
        );
        let found = code(&maps);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_ptr() as usize, found[0].1), (0x3000, 0x4000));
    }
}
