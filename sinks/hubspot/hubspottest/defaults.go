package hubspottest

// contactProperties are HubSpot's own properties of contacts, as far as field
// maps meet them: those they may write, and those they are tempted to.
func contactProperties() []Property {
	list := hubspotDefined("contactinformation", []Property{
		text("firstname", "First Name"), text("lastname", "Last Name"), text("email", "Email"),
		phone("phone", "Phone Number"), phone("mobilephone", "Mobile Phone Number"), phone("fax", "Fax Number"),
		text("address", "Street Address"), text("city", "City"), text("state", "State/Region"),
		text("hs_state_code", "State/Region Code"), text("zip", "Postal Code"), text("country", "Country/Region"),
		text("company", "Company Name"), text("jobtitle", "Job Title"), text("website", "Website URL"),
		text("salutation", "Salutation"), text("date_of_birth", "Date of birth"), text("gender", "Gender"),
		text("marital_status", "Marital Status"), area("message", "Message"),
		choice("hs_language", "Preferred language", "English", "en", "Spanish", "es", "French", "fr", "German", "de", "Chinese", "zh", "Portuguese", "pt", "Russian", "ru", "Vietnamese", "vi"),
		choice("lifecyclestage", "Lifecycle Stage", lifecycle...),
		choice("hs_lead_status", "Lead Status", "New", "NEW", "Open", "OPEN", "In Progress", "IN_PROGRESS", "Open Deal", "OPEN_DEAL", "Unqualified", "UNQUALIFIED", "Attempted to Contact", "ATTEMPTED_TO_CONTACT", "Connected", "CONNECTED", "Bad Timing", "BAD_TIMING"),
		owner("Contact owner"),
		yesNo("hs_email_optout", "Unsubscribed from all email"),
		readOnly(number("hs_object_id", "Record ID")),
		readOnly(instant("createdate", "Create Date")),
		readOnly(instant("lastmodifieddate", "Last Modified Date")),
		readOnly(text("hs_additional_emails", "Additional email addresses")),
		readOnly(text("hs_merged_object_ids", "Merged record IDs")),
		readOnly(unique(text("hs_unique_creation_key", "Unique creation key"))),
		calculated(number("num_associated_deals", "Number of Associated Deals")),
		calculated(instant("notes_last_contacted", "Last Contacted")),
		calculated(text("hs_email_domain", "Email Domain")),
		calculated(instant("hs_lifecyclestage_customer_date", "Date entered customer")),
	})
	for i := range list {
		if list[i].Name == "email" {
			list[i].HasUniqueValue = true
		}
	}
	return append(list, hubspotDefined("analyticsinformation", []Property{
		readOnly(choice("hs_analytics_source", "Original Traffic Source",
			"Organic Search", "ORGANIC_SEARCH", "Paid Search", "PAID_SEARCH", "Email Marketing", "EMAIL_MARKETING", "Organic Social", "SOCIAL_MEDIA",
			"Referrals", "REFERRALS", "Other Campaigns", "OTHER_CAMPAIGNS", "Direct Traffic", "DIRECT_TRAFFIC", "Offline Sources", "OFFLINE", "Paid Social", "PAID_SOCIAL")),
		readOnly(text("hs_analytics_source_data_1", "Original Traffic Source Drill-Down 1")),
		readOnly(text("hs_analytics_source_data_2", "Original Traffic Source Drill-Down 2")),
		readOnly(text("first_conversion_event_name", "First Conversion")),
		calculated(number("hs_analytics_num_visits", "Number of Sessions")),
	})...)
}

// lifecycle are the stages in the order in which a record may only go forward.
var lifecycle = []string{
	"Subscriber", "subscriber", "Lead", "lead", "Marketing Qualified Lead", "marketingqualifiedlead",
	"Sales Qualified Lead", "salesqualifiedlead", "Opportunity", "opportunity", "Customer", "customer",
	"Evangelist", "evangelist", "Other", "other",
}

// ticketProperties are HubSpot's own properties of tickets.
func ticketProperties() []Property {
	return hubspotDefined("ticketinformation", []Property{
		text("subject", "Ticket name"), area("content", "Ticket description"),
		external(choice("hs_pipeline", "Pipeline")), external(choice("hs_pipeline_stage", "Ticket status")),
		choice("hs_ticket_priority", "Priority", "Low", "LOW", "Medium", "MEDIUM", "High", "HIGH", "Urgent", "URGENT"),
		choice("hs_ticket_category", "Category", "Product Issue", "PRODUCT_ISSUE", "Billing Issue", "BILLING_ISSUE", "Feature Request", "FEATURE_REQUEST", "General Inquiry", "GENERAL_INQUIRY"),
		choice("source_type", "Source", "Chat", "CHAT", "Email", "EMAIL", "Form", "FORM", "Phone", "PHONE"),
		choice("hs_resolution", "Resolution", "Issue fixed", "ISSUE_FIXED", "Contact unresponsive", "CONTACT_UNRESPONSIVE"),
		owner("Ticket owner"),
		readOnly(number("hs_object_id", "Ticket ID")),
		readOnly(instant("createdate", "Create date")),
		readOnly(instant("hs_lastmodifieddate", "Last modified date")),
		readOnly(text("hs_merged_object_ids", "Merged record IDs")),
		readOnly(unique(text("hs_unique_creation_key", "Unique creation key"))),
		calculated(instant("closed_date", "Close date")),
		calculated(number("time_to_close", "Time to close")),
	})
}

// ticketPipelines is the pipeline that every account begins with.
func ticketPipelines() []Pipeline {
	stage := func(id, label, state string, order int) Stage {
		closed := "false"
		if state == "CLOSED" {
			closed = "true"
		}
		return Stage{ID: id, Label: label, DisplayOrder: order, Metadata: map[string]string{"ticketState": state, "isClosed": closed}, WritePermissions: "CRM_PERMISSIONS_ENFORCEMENT"}
	}
	return []Pipeline{{ID: "0", Label: "Support Pipeline", Stages: []Stage{
		stage("1", "New", "OPEN", 0), stage("2", "Waiting on contact", "OPEN", 1),
		stage("3", "Waiting on us", "OPEN", 2), stage("4", "Closed", "CLOSED", 3),
	}}}
}

// defaultOwners are the people of the portal; the last one has left.
func defaultOwners() []Owner {
	return []Owner{
		{ID: "74110201", Email: "nora.whitfield@clinic.example.com", FirstName: "Nora", LastName: "Whitfield", UserID: 11250031, Type: "PERSON"},
		{ID: "74110202", Email: "luis.ferrer@clinic.example.com", FirstName: "Luis", LastName: "Ferrer", UserID: 11250032, Type: "PERSON"},
		{ID: "74110203", Email: "front.desk@clinic.example.com", FirstName: "Front", LastName: "Desk", UserID: 11250033, Type: "PERSON"},
		{ID: "74110204", Email: "ada.okafor@clinic.example.com", FirstName: "Ada", LastName: "Okafor", UserID: 11250034, Type: "PERSON", Archived: true},
	}
}
