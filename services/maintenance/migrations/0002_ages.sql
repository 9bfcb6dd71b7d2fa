-- Where the counters of ids of a cluster stood, once a minute: how fast they move says when they run out.
create table id_readings (
    -- The system identifier of the cluster.
    cluster      text not null,
    at_unix_ms   bigint not null,
    next_xid     bigint not null,
    -- Wraps at 32 bits.
    next_mxid    bigint not null,
    -- The oldest transaction that rows were kept for; null where nobody held any.
    horizon_xid  bigint,
    primary key (cluster, at_unix_ms)
);
