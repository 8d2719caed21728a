package hubspottest

import (
	"regexp"
	"slices"
	"strconv"
)

// currency is a property whose values are the account's currencies.
func currency(name, label string, opts Options) Property {
	var list []string
	for _, c := range opts.Currencies {
		list = append(list, c, c)
	}
	return choice(name, label, list...)
}

// dealProperties are HubSpot's own properties of deals.
func dealProperties(opts Options) []Property {
	created := instant("createdate", "Create Date")
	if !opts.CreateDates {
		created = readOnly(created)
	}
	return hubspotDefined("dealinformation", []Property{
		text("dealname", "Deal Name"), number("amount", "Amount"), area("description", "Deal Description"),
		external(choice("pipeline", "Pipeline")), external(choice("dealstage", "Deal Stage")),
		instant("closedate", "Close Date"), created,
		choice("dealtype", "Deal Type", "New Business", "newbusiness", "Existing Business", "existingbusiness"),
		choice("hs_priority", "Priority", "Low", "low", "Medium", "medium", "High", "high"),
		currency("deal_currency_code", "Currency", opts),
		text("hs_next_step", "Next step"), area("closed_lost_reason", "Closed Lost Reason"), area("closed_won_reason", "Closed Won Reason"),
		owner("Deal owner"),
		readOnly(number("hs_object_id", "Record ID")),
		readOnly(instant("hs_lastmodifieddate", "Last Modified Date")),
		readOnly(text("hs_merged_object_ids", "Merged record IDs")),
		readOnly(unique(text("hs_unique_creation_key", "Unique creation key"))),
		calculated(number("amount_in_home_currency", "Amount in company currency")),
		calculated(number("days_to_close", "Days to close")),
		calculated(number("hs_deal_stage_probability", "Deal probability")),
		calculated(yesNo("hs_is_closed", "Is Deal Closed?")),
		calculated(yesNo("hs_is_closed_won", "Is Closed Won")),
		calculated(number("num_associated_contacts", "Number of Associated Contacts")),
	})
}

// dealPipelines is the pipeline that every account begins with.
func dealPipelines() []Pipeline {
	var stages []Stage
	for _, st := range []struct{ id, label, probability, closed string }{
		{"appointmentscheduled", "Appointment Scheduled", "0.2", "false"},
		{"qualifiedtobuy", "Qualified To Buy", "0.4", "false"},
		{"presentationscheduled", "Presentation Scheduled", "0.6", "false"},
		{"decisionmakerboughtin", "Decision Maker Bought-In", "0.8", "false"},
		{"contractsent", "Contract Sent", "0.9", "false"},
		{"closedwon", "Closed Won", "1.0", "true"},
		{"closedlost", "Closed Lost", "0.0", "true"},
	} {
		stages = append(stages, Stage{
			ID: st.id, Label: st.label, DisplayOrder: len(stages), WritePermissions: "CRM_PERMISSIONS_ENFORCEMENT",
			Metadata: map[string]string{"probability": st.probability, "isClosed": st.closed},
		})
	}
	return []Pipeline{{ID: "default", Label: "Sales Pipeline", Stages: stages}}
}

// dealStage completes the metadata of a new stage of deals: its probability
// says whether it is a closed one.
func dealStage(metadata map[string]string) (map[string]string, *apiError) {
	p, err := strconv.ParseFloat(metadata["probability"], 64)
	if err != nil || p < 0 || p > 1 {
		return nil, badRequest("Stage metadata must have a probability between 0.0 and 1.0")
	}
	return map[string]string{"probability": strconv.FormatFloat(p, 'f', 1, 64), "isClosed": strconv.FormatBool(p == 0 || p == 1)}, nil
}

// close sets the date of closing when a plan moves a record to a closed stage
// and does not say the date itself.
func (pl *planner) close(p *plan) {
	if pl.o.closed == "" {
		return
	}
	day, stage := pl.o.property(pl.o.closed), pl.o.property(pl.o.stage)
	if slices.ContainsFunc(p.sets, func(s set) bool { return s.prop == day }) {
		return
	}
	id := p.get(stage)
	if p.target != nil && p.target.text(stage) == id {
		return
	}
	for _, line := range pl.o.pipelines {
		if line.ID != p.get(pl.o.property(pl.o.pipeline)) {
			continue
		}
		if i := slices.IndexFunc(line.Stages, func(st Stage) bool { return st.ID == id }); i >= 0 && line.Stages[i].Metadata["isClosed"] == "true" {
			p.closes = day
		}
	}
}

// recurring are the intervals of what is billed again and again.
var recurring = []string{
	"Weekly", "weekly", "Every two weeks", "biweekly", "Monthly", "monthly", "Quarterly", "quarterly", "Semi-annually", "per_six_months",
	"Annually", "annually", "Every two years", "per_two_years", "Every three years", "per_three_years",
}

// term is the form of a period for which something is billed, such as P12M.
var term = regexp.MustCompile(`^P[1-9][0-9]*[DWMY]$`)

// productProperties are HubSpot's own properties of products. A product has no
// variants.
func productProperties() []Property {
	return hubspotDefined("productinformation", []Property{
		text("name", "Name"), area("description", "Product description"), number("price", "Unit price"),
		number("hs_cost_of_goods_sold", "Unit cost"), unique(text("hs_sku", "SKU")),
		text("hs_url", "URL"), text("hs_images", "Image URL"),
		choice("hs_product_type", "Product Type", "Inventory", "inventory", "Non-Inventory", "non_inventory", "Service", "service"),
		choice("hs_status", "Status", "Active", "active", "Inactive", "inactive"),
		choice("recurringbillingfrequency", "Billing frequency", recurring...),
		text("hs_recurring_billing_period", "Term"), number("tax", "Tax"),
		readOnly(number("hs_object_id", "Record ID")),
		readOnly(instant("createdate", "Create Date")),
		readOnly(instant("hs_lastmodifieddate", "Last Modified Date")),
		readOnly(unique(text("hs_unique_creation_key", "Unique creation key"))),
		calculated(number("hs_margin", "Margin")),
	})
}

// lineItemProperties are HubSpot's own properties of line items.
func lineItemProperties(opts Options) []Property {
	return hubspotDefined("lineiteminformation", []Property{
		text("name", "Name"), area("description", "Description"), number("price", "Unit price"), number("quantity", "Quantity"),
		number("discount", "Unit discount"), number("hs_discount_percentage", "Discount percentage"), number("tax", "Tax"),
		number("hs_cost_of_goods_sold", "Unit cost"), text("hs_sku", "SKU"), text("hs_url", "URL"), text("hs_product_id", "Product ID"),
		currency("hs_line_item_currency_code", "Currency", opts), number("hs_position_on_quote", "Position on quote"),
		choice("recurringbillingfrequency", "Billing frequency", recurring...),
		text("hs_recurring_billing_period", "Term"),
		readOnly(number("hs_object_id", "Record ID")),
		readOnly(instant("createdate", "Create Date")),
		readOnly(instant("hs_lastmodifieddate", "Last Modified Date")),
		readOnly(unique(text("hs_unique_creation_key", "Unique creation key"))),
		calculated(number("amount", "Net price")),
		calculated(number("hs_total_discount", "Total discount")),
	})
}

// fromProduct are what a new line item takes over from its product.
var fromProduct = []string{"name", "description", "price", "hs_cost_of_goods_sold", "hs_sku", "hs_url", "recurringbillingfrequency", "hs_recurring_billing_period", "tax"}

// product completes a new line item from the product that it names, which must
// be there.
func (pl *planner) product(p *plan) *apiError {
	if pl.o.name != "line_items" {
		return nil
	}
	ref := pl.o.property("hs_product_id")
	if !slices.ContainsFunc(p.sets, func(s set) bool { return s.prop == ref && s.value != "" }) {
		return nil
	}
	products := pl.s.portal.byName["products"]
	id := p.get(ref)
	r := products.find(id)
	if r == nil || r.archived {
		msg := "Product " + id + " does not exist"
		return invalidValues([]invalid{{Message: msg, Error: "INVALID_PRODUCT_ID", Name: ref.Name, Localized: msg, PortalID: pl.s.opts.PortalID}})
	}
	if p.target != nil {
		return nil
	}
	for _, name := range fromProduct {
		from, to := products.property(name), pl.o.property(name)
		given := slices.ContainsFunc(p.sets, func(s set) bool { return s.prop == to })
		if value := r.text(from); value != "" && !given {
			p.sets = append(p.sets, set{to, value})
		}
	}
	return nil
}
