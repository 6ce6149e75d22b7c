// Package source pulls other people's feeds in on a schedule, under a label and a
// policy that the operator set.
//
// # Words
//
// A source is a TAXII 2.1 collection or a MISP feed. A pull asks it for what is
// new; what it gives is said in our organisation's name, with the tag source:NAME,
// under the source's label. What carries a stricter marking keeps it, or is
// refused where its audience was not given; what carries a wider one, or none,
// gets the label: nothing is ever widened.
//
// # What is taken back
//
// Whatever a source has withdrawn since, and nothing else of ours: what is revoked
// there, an indicator that names other values now, a MISP event that is gone, an
// attribute that is gone or no longer for detection. What somebody else at our
// organisation said of the same value since stays, and so does what another
// object or event of the source still says. An empty manifest takes nothing back:
// it is taken for a fault.
//
// # What is asked for
//
//	taxii  URL/collections/ID/objects/ with added_after, from the server's own
//	       X-TAXII-Date-Added-Last, and next while there is more. A pull that was
//	       cut off goes on where it was
//	misp   URL/manifest.json, with If-None-Match and If-Modified-Since, and
//	       URL/UUID.json of every event whose timestamp changed
//
// # Limits
//
// [MaxSources] sources, each pulled every minute at most; a pull has [MaxTime]; a
// page or event [MaxPage] bytes after decompression, a manifest as much; [MaxPages]
// pages a pull; [MaxEvents] events. Redirects are followed on the same host alone,
// TLS is verified, and plain HTTP goes only to addresses that the operator allowed.
package source
