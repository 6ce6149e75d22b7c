# Notices what the node lists, in every protocol that Zeek looks into.
@load frameworks/intel/seen
@load frameworks/intel/do_notice
@load frameworks/intel/do_expire
@load frameworks/files/hash-all-files

# Zeek takes nothing out because the file no longer has it, only what it has not read
# again for so long. refresh has it read the file each time; this is longer than three
# times the pause between them.
redef Intel::item_expiration = 4min;

redef Intel::read_files += { "/opt/zeek/share/tocsin/intel.dat" };
