//! The trace in a statement's comment.

use crate::{Limits, analyse, trace, without_trace};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The trace of a text, and the text without it.
fn read(sql: &str) -> Option<(String, String)> {
    let trace = trace(sql.as_bytes())?;
    Some((trace.parent.to_owned(), String::from_utf8(trace.rest()).unwrap()))
}

#[test]
fn it_is_read_from_either_end_and_taken_out() {
    for (sql, rest) in [
        (format!("select 1 /*traceparent='{PARENT}'*/"), "select 1 "),
        (format!("select 1 /*traceparent='{PARENT}'*/ ;\n"), "select 1  ;\n"),
        (format!(" /*traceparent='{PARENT}'*/ select 1"), "  select 1"),
        (
            format!("select 'é' /*action='%2Fa%2Cb',traceparent='{PARENT}',tracestate='a%3D1'*/"),
            "select 'é' /*action='%2Fa%2Cb'*/",
        ),
        (
            format!("select 1 /*db_driver='x', traceparent='{PARENT}', route='/a b'*/"),
            "select 1 /*db_driver='x', route='/a b'*/",
        ),
        (
            format!("/* weir:replica */ select 1 /*traceparent='{PARENT}'*/"),
            "/* weir:replica */ select 1 ",
        ),
    ] {
        assert_eq!(read(&sql), Some((PARENT.to_owned(), rest.to_owned())), "{sql}");
        let (whole, rest) = (analyse(&sql, Limits::default()), analyse(rest, Limits::default()));
        assert_eq!((whole.fingerprint, whole.text), (rest.fingerprint, rest.text), "{sql}");
    }
}

#[test]
fn what_is_no_such_comment_says_nothing() {
    let own = format!("traceparent='{PARENT}'");
    for sql in [
        String::new(),
        "select 1".to_owned(),
        "/*/".to_owned(),
        "select 1 /* */".to_owned(),
        format!("select '/*{own}*/'"),
        format!("select 1 /*{own}*/ + 1"),
        format!("select 1 -- {own}"),
        format!("select 1 /*traceparent={PARENT}*/"),
        format!("select 1 /*{own} and more*/"),
        format!("select 1 /*traceparent='{PARENT}'',x=''*/"),
        "select 1 /*traceparent='00-1-2-01'*/".to_owned(),
        // What could end something else than the comment, if this is none.
        format!("select $$ /*a='$$',{own}*/"),
        format!("select \" /*a='\"',{own}*/"),
        format!("select ' /*a='--',{own}*/"),
        format!("select -- /*a='\n',{own}*/"),
        format!("/* /*{own}*/ */ select 1"),
        format!("select 1 /*a='{}',{own}*/", "x".repeat(5_000)),
    ] {
        assert_eq!(read(&sql), None, "{sql}");
        assert_eq!(without_trace(&sql), sql);
    }
}
